"""What the demo found: the figures (``demo-report.json``), the verdict as a pure function, the table for people."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

ENOUGH_FRAMES = 300  # labelled frames behind each accuracy


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleFigures:
    """One published bundle; accuracies on the converter's own test split, sizes of the same graph.

    ``artifact_...`` is of the artifact that the devices run, the int8 file or another form of the same model.
    """

    id: str
    model: str
    version: str
    float_bytes: int
    int8_bytes: int
    float_accuracy: float
    int8_accuracy: float
    artifact_bytes: int
    artifact_accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """Share of frames that a device labelled rightly; None where there is no such phase."""

    before: float | None
    drifted: float | None
    after: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFigures:
    """One device; positions are indices of frames in its stream."""

    id: str
    drifted: str | None
    drift_at_sample: int | None
    detected_at_sample: int | None
    alarms_before_drift: int
    accuracy: Accuracy
    frames: Mapping[str, int]
    running_bundle: str | None
    running_artifact: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFigures:
    """One request for a model and the bundle that answered it."""

    id: str
    device: str
    reason: str
    bundle_held: str
    bundle_answer: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainFigures:
    """Accuracy on delivered samples that were held back from training, in mean over devices."""

    evidence_driven_accuracy: float | None
    evidence_blind_accuracy: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutFigures:
    """One rollout: its waves of devices, and how it ended on each."""

    id: str
    waves: Sequence[Sequence[str]]
    committed: Sequence[str]
    rolled_back: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """All that one run measured; ``artifact`` is what the devices were to run."""

    artifact: str
    bundles: Sequence[BundleFigures]
    devices: Sequence[DeviceFigures]
    requests: Sequence[RequestFigures]
    retrain: RetrainFigures
    rollouts: Sequence[RolloutFigures]
    seconds: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One expectation of the demo, with what was found."""

    name: str
    met: bool
    found: str
    closes_loop: bool  # whether the loop counts as closed without it


def checks(findings: Findings) -> list[Check]:
    """Hold the findings against what the loop promises; pure, so that a test can feed it bad runs."""
    drifted = [device for device in findings.devices if device.drifted]
    healthy = [device for device in findings.devices if not device.drifted]
    return [*_loop_checks(findings, drifted, healthy), *_quality_checks(findings, drifted, healthy)]


def loop_closed(found: Sequence[Check]) -> bool:
    """Whether drift was found, answered, rolled out everywhere, and the accuracy came back."""
    return all(check.met for check in found if check.closes_loop)


def to_json(findings: Findings, *, ended: str = "") -> str:
    """The report as documented in README.md, with the checks beside it."""
    found = checks(findings)
    document = {"loop_closed": loop_closed(found), **asdict(findings)}
    for device in document["devices"]:
        device["drift"], device["drifted"] = device["drifted"], device["drifted"] is not None
    document["checks"] = [asdict(check) for check in found]
    if ended:
        document["ended"] = ended
    return json.dumps(document, indent=2) + "\n"


def write(path: Path, findings: Findings, *, ended: str = "") -> None:
    """Write the report where ``--report`` says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(to_json(findings, ended=ended), encoding="utf-8")


def device_table(findings: Findings) -> Table:
    """The final table: accuracy before, drifted and after on each device."""
    from rich.table import Table

    table = Table(title="Accuracy on each device", title_justify="left")
    for column in ("device", "drift", "alarm after", "before", "drifted", "after", "runs"):
        table.add_column(column, justify="left" if column in ("device", "drift", "runs") else "right")
    versions = {bundle.id: bundle.version for bundle in findings.bundles}
    for device in findings.devices:
        delay = "-"
        if device.detected_at_sample is not None and device.drift_at_sample is not None:
            delay = f"{device.detected_at_sample - device.drift_at_sample} frames"
        accuracy = device.accuracy
        shown = (_percent(value) for value in (accuracy.before, accuracy.drifted, accuracy.after))
        running = versions.get(device.running_bundle or "", "?")
        table.add_row(device.id, device.drifted or "none", delay, *shown, f"version {running}")
    return table


def _loop_checks(findings: Findings, drifted: Sequence[DeviceFigures], healthy: Sequence[DeviceFigures]) -> list[Check]:
    asked = {request.device for request in findings.requests if request.bundle_answer}
    disturbed = [request.device for request in findings.requests if request.device in {device.id for device in healthy}]
    newest = findings.bundles[-1].id if len(findings.bundles) > 1 else None
    left_behind = [device.id for device in findings.devices if device.running_bundle != newest]
    otherwise = [device.id for device in findings.devices if device.running_artifact != findings.artifact]
    before = _mean([device.accuracy.before for device in drifted])
    after = _mean([device.accuracy.after for device in drifted])
    recovered = before is not None and after is not None and after >= 0.9 * before
    return [
        _check("every drifted device asked and was answered", asked >= {d.id for d in drifted}, f"{sorted(asked)}"),
        _check("no healthy device asked", not disturbed, f"{disturbed or 'none'}"),
        _check("all devices run the new bundle", newest is not None and not left_behind, f"{left_behind or 'all'}"),
        _check(f"all devices run artifact {findings.artifact}", not otherwise, f"{otherwise or 'all'}"),
        _check(
            "accuracy came back (after >= 0.9 x before)",
            recovered,
            f"{_percent(before)} before, {_percent(after)} after",
        ),
    ]


def _quality_checks(
    findings: Findings, drifted: Sequence[DeviceFigures], healthy: Sequence[DeviceFigures]
) -> list[Check]:
    losses = {device.id: _difference(device.accuracy.before, device.accuracy.drifted) for device in drifted}
    undetected = [device.id for device in drifted if device.detected_at_sample is None]
    lost = {device.id: _difference(device.accuracy.before, device.accuracy.after) for device in healthy}
    asked = Counter(request.device for request in findings.requests)
    again = sorted(device for device, count in asked.items() if count > 1)
    early = sum(device.alarms_before_drift for device in findings.devices)
    quantised = [bundle.float_accuracy - bundle.int8_accuracy for bundle in findings.bundles]
    ratios = [bundle.int8_bytes / bundle.float_bytes for bundle in findings.bundles]
    frames = [count for device in findings.devices for count in device.frames.values()]
    return [
        _check("drift costs >= 15 points", _all(losses, lambda x: x >= 0.15), _points(losses), closes_loop=False),
        _check("every drift detected", not undetected, f"{undetected or 'all'}", closes_loop=False),
        _check("no alarm before drift", early == 0, f"{early}", closes_loop=False),
        _check("no device asks again", not again, f"{again or 'none'}", closes_loop=False),
        _check("healthy devices lose <= 1 point", _all(lost, lambda x: x <= 0.01), _points(lost), closes_loop=False),
        _check("int8 loses <= 1 point", max(quantised, default=1) <= 0.01 + 1e-9, _list(quantised), closes_loop=False),
        _check("int8 file <= 0.35 x float", max(ratios, default=1) <= 0.35, _list(ratios), closes_loop=False),
        _check(
            f"each accuracy over >= {ENOUGH_FRAMES} frames",
            min(frames, default=0) >= ENOUGH_FRAMES,
            f"fewest {min(frames, default=0)}",
            closes_loop=False,
        ),
        *_spiking_checks(findings),
    ]


def _spiking_checks(findings: Findings) -> list[Check]:
    """What a spiking artifact may cost beside the int8 file; none where the devices run that."""
    if findings.artifact != "spiking":
        return []
    lost = [bundle.float_accuracy - bundle.artifact_accuracy for bundle in findings.bundles]
    ratios = [bundle.artifact_bytes / bundle.int8_bytes for bundle in findings.bundles]
    return [
        _check("spiking loses <= 1.5 points", max(lost, default=1) <= 0.015 + 1e-9, _list(lost), closes_loop=False),
        _check("spiking file <= int8 file", max(ratios, default=2) <= 1, _list(ratios), closes_loop=False),
    ]


def _check(name: str, met: bool, found: str, *, closes_loop: bool = True) -> Check:  # noqa: FBT001 - reads as a row
    return Check(name=name, met=met, found=found, closes_loop=closes_loop)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def _difference(high: float | None, low: float | None) -> float | None:
    return None if high is None or low is None else high - low


def _all(values: Mapping[str, float | None], rule: object) -> bool:
    return bool(values) and callable(rule) and all(value is not None and rule(value) for value in values.values())


def _points(values: Mapping[str, float | None]) -> str:
    return ", ".join(f"{key} {'?' if value is None else f'{100 * value:.1f}'}" for key, value in values.items())


def _list(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.4f}" for value in values)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"
