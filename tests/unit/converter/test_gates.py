"""A gate is missed by more than it allows, and every missed one is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.cautions import cautions
from converter.errors import GateError, GateNameError
from converter.gates import GATES, Hints, Verdict, check_gates, judge, least_group, missed
from converter.measure import Comparison, Estimate, Figures, GroupFigures, Latency
from converter.recipe import GatesRecipe

LIMITS = GatesRecipe(size_ratio=0.5, metric=0.9)


def comparison(artifact: float, float32: float = 0.95, half: float = 0.005) -> Comparison:
    drop = float32 - artifact
    return Comparison(
        artifact=Estimate(value=artifact, low=artifact - 0.02, high=min(artifact + 0.02, 1)),
        float32=Estimate(value=float32, low=float32 - 0.02, high=min(float32 + 0.02, 1)),
        drop=Estimate(value=drop, low=drop - half, high=drop + half),
    )


def group(name: str, artifact: float, n: int = 400) -> GroupFigures:
    return GroupFigures(name=name, n=n, overall=comparison(artifact))


GOOD = Figures(
    metric="accuracy",
    n=2000,
    overall=comparison(0.95),
    lost=4,
    won=4,
    agreement=0.99,
    sqnr_db=40.0,
    float_difference=1e-6,
    size_bytes=300,
    float_bytes=1000,
    latency=Latency(runtime="ai-edge-litert 2.3.0", rounds=300, median_us=80.0, p95_us=90.0),
)


@pytest.mark.parametrize(
    ("change", "limit"),
    [
        ({}, {}),
        ({"overall": comparison(0.945)}, {}),  # in floating point 0.95 - 0.945 is more than 0.005
        ({"overall": comparison(1.0)}, {}),
        ({"overall": comparison(0.95, half=0.015)}, {}),
        ({"overall": comparison(0.95, half=0.1), "n": 499}, {}),
        ({"groups": (group("hall", 0.93),)}, {}),
        ({"groups": (group("hall", 0.85, n=49),)}, {}),  # one example is more than 2 points
        ({"size_bytes": 500}, {}),
        ({"float_difference": 1e-4}, {}),
        ({"overall": comparison(0.9, 0.9)}, {}),
        ({"agreement": 0.5, "sqnr_db": 3.0}, {}),  # these warn
        ({"agreement": 0.9}, {"agreement": 0.9}),
        ({"sqnr_db": 15.0}, {"sqnr_db": 15.0}),
        ({}, {"latency_us": 80.0, "size_bytes": 300}),
        ({"latency": None}, {"latency_us": 80.0}),
    ],
)
def test_an_artifact_at_its_gates_passes(change: dict[str, Any], limit: dict[str, Any]) -> None:
    assert missed(check_gates(replace(GOOD, **change), replace(LIMITS, **limit))) == ()


@pytest.mark.parametrize(
    ("change", "limit", "said"),
    [
        (
            {"overall": comparison(0.938)},
            {},
            "drop: the artifact loses 1.20 pt of accuracy against float32, allowed 0.50 pt; calibrate with more",
        ),
        (
            {"overall": comparison(0.95, half=0.016)},
            {},
            "drop_interval: the loss of accuracy may be 1.60 pt (95 % interval of 2000 examples), allowed 1.50 pt; ",
        ),
        (
            {"groups": (group("hall", 0.94), group("yard", 0.92), group("roof", 0.5, n=20))},
            {},
            "group_drop: group yard loses 3.00 pt of accuracy on 400 examples, allowed 2.00 pt; ",
        ),
        ({"size_bytes": 501}, {}, "size_ratio: the file is 0.501 of the float32 one, allowed 0.500; "),
        ({"size_bytes": 400}, {"size_bytes": 399}, "size_bytes: the file has 400 bytes, allowed 399; "),
        ({"float_difference": 0.5}, {}, "float_difference: outputs of Keras and float32 TFLite differ by 5.00e-01, "),
        ({"float_difference": float("nan")}, {}, "float_difference: outputs of Keras and float32 TFLite differ by nan"),
        (
            {"overall": comparison(0.89, 0.89)},
            {},
            "metric: accuracy 0.8900, wanted 0.9000; train longer or bring more data",
        ),
        (
            {"overall": comparison(0.898, 0.902)},
            {},
            "metric: accuracy 0.8980, wanted 0.9000; float32 reaches 0.9020, so the quantisation costs it: calibrate",
        ),
        ({"metric": "auc", "overall": comparison(0.94)}, {}, "drop: the artifact loses 1.00 pt of AUC against"),
        ({}, {"latency_us": 79.0}, "latency_us: one inference takes 80 us (median, one thread, ai-edge-litert 2.3.0)"),
        ({"agreement": 0.94}, {"agreement": 0.95}, "agreement: artifact and float32 agree on 0.9400 of the answers, "),
        ({"sqnr_db": 14.0}, {"sqnr_db": 15.0}, "sqnr_db: the outputs have 14.0 dB over their quantisation noise, "),
    ],
)
def test_a_missed_gate_is_named_with_what_to_try(change: dict[str, Any], limit: dict[str, Any], said: str) -> None:
    with pytest.raises(GateError) as caught:
        check_gates(replace(GOOD, **change), replace(LIMITS, **limit))

    assert str(caught.value).startswith(said)
    assert "; " in str(caught.value)
    assert caught.value.exit_code == 1


def test_all_missed_gates_are_named_at_once() -> None:
    bad = replace(GOOD, overall=comparison(0.5), size_bytes=900, float_difference=1.0)

    with pytest.raises(GateError) as caught:
        check_gates(bad, LIMITS)

    names = [part.split(":")[0] for part in str(caught.value).split(" | ")]
    assert names == ["float_difference", "drop", "drop_interval", "metric", "size_ratio"]


def test_advice_knows_the_calibration_and_the_noisiest_layers() -> None:
    hints = Hints(calibration=200, noisy_layers=("dense_1 (9.1 dB)", "conv (12.0 dB)"))

    verdict, _ = (one for one in judge(replace(GOOD, overall=comparison(0.9)), GatesRecipe(), (), hints) if not one.ok)

    assert "calibrate with more examples (now 200)" in verdict.text
    assert "quantize.fallback (noisiest: dense_1 (9.1 dB), conv (12.0 dB))" in verdict.text


def test_an_allowed_gate_is_waived_and_others_still_refuse() -> None:
    bad = replace(GOOD, overall=comparison(0.93), size_bytes=900)

    verdicts = {one.gate: one for one in check_gates(bad, LIMITS, ["drop", "drop_interval", "size_ratio", "metric"])}

    assert [name for name, one in verdicts.items() if one.waived] == ["drop", "drop_interval", "size_ratio"]
    assert verdicts["drop"].found == pytest.approx(0.02)
    assert verdicts["drop"].limit == 0.005
    with pytest.raises(GateError, match=r"^size_ratio"):
        check_gates(bad, LIMITS, ["drop", "drop_interval"])


@pytest.mark.parametrize("name", ["drops", "drop_examples", ""])
def test_a_name_that_no_gate_has_is_refused_with_the_names(name: str) -> None:
    with pytest.raises(GateNameError, match=rf"--allow-gate: found '{name}', expected one of float_difference, drop, "):
        check_gates(GOOD, LIMITS, [name])

    assert GateNameError.exit_code == 2
    assert "drop_examples" not in GATES


def test_what_cannot_be_compared_with_float32_is_judged_by_itself_alone() -> None:
    alone = Comparison(artifact=Estimate(value=0.95, low=0.94, high=0.96), float32=None, drop=None)
    wrapped = Figures(metric="accuracy", n=2000, overall=alone, size_bytes=300)

    assert [one.gate for one in check_gates(wrapped, LIMITS)] == ["metric"]
    assert cautions(wrapped, replace(LIMITS, agreement=0.9)) == (
        "no float32 file to compare with: what the quantisation costs is not known",
        "gate agreement was not judged: there is nothing to measure it on",
        "gate size_ratio was not judged: there is nothing to measure it on",
    )


@given(st.floats(0.001, 1))
def test_the_least_group_is_the_one_where_an_example_is_within_the_limit(limit: float) -> None:
    n = least_group(GatesRecipe(group_drop=limit))

    assert 1 / n <= limit + 1e-9
    assert n == 1 or 1 / (n - 1) > limit - 1e-9


@given(st.floats(0, 1), st.floats(0, 1))
def test_no_gate_is_passed_by_losing_more(first: float, second: float) -> None:
    less, more = sorted((first, second))

    def passed(lost: float) -> bool:
        overall = comparison(0.95 - 0.9 * lost)
        return not missed(judge(replace(GOOD, overall=overall, groups=(group("a", 0.95 - 0.9 * lost),)), LIMITS))

    assert passed(less) or not passed(more)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, []),
        ({"agreement": 0.94}, ["artifact and float32 agree on 0.940 of the answers, below 0.95"]),
        ({"sqnr_db": 14.0}, ["the outputs have 14.0 dB over their quantisation noise, below 15 dB"]),
        (
            {"n": 499},
            ["499 test examples, below 500, so gate drop_interval was not judged: the loss from float32 lies"],
        ),
        (
            {"lost": 0, "won": 0},
            ["artifact and float32 are right on the same 2000 examples, which could still hide a loss of up to 0.15"],
        ),
        (
            {"n": 100, "lost": 0, "won": 0},
            ["100 test examples, below 500, so gate drop_interval was not judged: artifact and float32 are right on"],
        ),
        (
            {"groups": (group("roof", 0.5, n=20),)},
            ["too few test examples for gate group_drop (fewer than 50) in 1 of 1 groups, such as roof with 20"],
        ),
    ],
)
def test_cautions_warn_without_refusing(change: Mapping[str, Any], said: list[str]) -> None:
    found = cautions(replace(GOOD, **change), LIMITS)

    assert len(found) == len(said)
    assert all(one.startswith(start) for one, start in zip(found, said, strict=True))


def test_a_verdict_says_in_words_what_was_passed() -> None:
    (verdict,) = (one for one in judge(GOOD, LIMITS) if one.gate == "size_ratio")

    assert verdict == Verdict(
        gate="size_ratio",
        ok=True,
        found=0.3,
        limit=0.5,
        text="size_ratio: the file is 0.300 of the float32 one, allowed 0.500",
    )
