import json
from dataclasses import replace

import pytest

from deploy.demo.report import (
    Accuracy,
    BundleFigures,
    DeviceFigures,
    Findings,
    RequestFigures,
    RetrainFigures,
    RolloutFigures,
    checks,
    device_table,
    loop_closed,
    to_json,
)


def bundle(
    name: str,
    *,
    int8_bytes: int = 300,
    int8_accuracy: float = 0.95,
    artifact_bytes: int = 280,
    artifact_accuracy: float = 0.94,
) -> BundleFigures:
    return BundleFigures(
        id=name,
        model="digits",
        version=name,
        float_bytes=1000,
        int8_bytes=int8_bytes,
        float_accuracy=0.95,
        int8_accuracy=int8_accuracy,
        artifact_bytes=artifact_bytes,
        artifact_accuracy=artifact_accuracy,
    )


def device(name: str, drift: str | None = None) -> DeviceFigures:
    return DeviceFigures(
        id=name,
        drifted=drift,
        drift_at_sample=400 if drift else None,
        detected_at_sample=430 if drift else None,
        alarms_before_drift=0,
        accuracy=Accuracy(before=0.95, drifted=0.6 if drift else None, after=0.92 if drift else 0.95),
        frames={"before": 400, "after": 320},
        running_bundle="2",
        running_artifact="tflite-int8",
    )


GOOD = Findings(
    artifact="tflite-int8",
    bundles=[bundle("1"), bundle("2")],
    devices=[device("a"), device("b", "winter light")],
    requests=[RequestFigures(id="r", device="b", reason="drift", bundle_held="1", bundle_answer="2")],
    retrain=RetrainFigures(evidence_driven_accuracy=0.9, evidence_blind_accuracy=0.6),
    rollouts=[RolloutFigures(id="1", waves=[["b"], ["a"]], committed=["a", "b"], rolled_back=[])],
    seconds={"total": 100.0},
)

SPIKING = replace(GOOD, artifact="spiking", devices=[replace(one, running_artifact="spiking") for one in GOOD.devices])


def failed(findings: Findings) -> list[str]:
    return [check.name for check in checks(findings) if not check.met]


def test_a_good_run_meets_every_check() -> None:
    assert failed(GOOD) == []
    assert loop_closed(checks(GOOD))
    assert failed(SPIKING) == []
    assert {check.name for check in checks(SPIKING)} > {"spiking loses <= 1.5 points", "spiking file <= int8 file"}


@pytest.mark.parametrize(
    ("bad", "name"),
    [
        (replace(GOOD, requests=[]), "every drifted device asked and was answered"),
        (replace(GOOD, requests=[*GOOD.requests, replace(GOOD.requests[0], device="a")]), "no healthy device asked"),
        (replace(GOOD, bundles=[bundle("1")]), "all devices run the new bundle"),
        (
            replace(GOOD, devices=[device("a"), replace(device("b", "x"), running_bundle="1")]),
            "all devices run the new bundle",
        ),
        (replace(SPIKING, devices=GOOD.devices), "all devices run artifact spiking"),
        (
            replace(
                GOOD,
                devices=[
                    device("a"),
                    replace(device("b", "x"), accuracy=Accuracy(before=0.95, drifted=0.6, after=0.8)),
                ],
            ),
            "accuracy came back (after >= 0.9 x before)",
        ),
    ],
)
def test_the_loop_is_not_closed_when(bad: Findings, name: str) -> None:
    assert name in failed(bad)
    assert not loop_closed(checks(bad))


@pytest.mark.parametrize(
    ("bad", "name"),
    [
        (replace(GOOD, requests=[*GOOD.requests, replace(GOOD.requests[0], id="s")]), "no device asks again"),
        (replace(GOOD, bundles=[bundle("1"), bundle("2", int8_bytes=400)]), "int8 file <= 0.35 x float"),
        (replace(GOOD, bundles=[bundle("1"), bundle("2", int8_accuracy=0.93)]), "int8 loses <= 1 point"),
        (replace(SPIKING, bundles=[bundle("1"), bundle("2", artifact_bytes=301)]), "spiking file <= int8 file"),
        (replace(SPIKING, bundles=[bundle("1"), bundle("2", artifact_accuracy=0.93)]), "spiking loses <= 1.5 points"),
        (
            replace(GOOD, devices=[replace(device("a"), alarms_before_drift=1), device("b", "x")]),
            "no alarm before drift",
        ),
        (
            replace(GOOD, devices=[replace(device("a"), frames={"after": 299}), device("b", "x")]),
            "each accuracy over >= 300 frames",
        ),
    ],
)
def test_a_missed_goal_is_named_though_the_loop_is_closed(bad: Findings, name: str) -> None:
    assert failed(bad) == [name]
    assert loop_closed(checks(bad))


def test_the_report_has_the_documented_keys() -> None:
    document = json.loads(to_json(GOOD))

    assert document["loop_closed"] is True
    assert set(document) == {
        *("loop_closed", "artifact", "bundles", "devices", "requests", "retrain", "rollouts", "seconds", "checks")
    }
    assert document["devices"][1]["drifted"] is True
    assert document["devices"][0]["drifted"] is False
    assert set(document["devices"][1]["accuracy"]) == {"before", "drifted", "after"}


def test_the_table_has_a_row_for_each_device() -> None:
    assert device_table(GOOD).row_count == 2
