"""Gather what a run has measured: from bundles, from the fleet side's own verbs, and from what the onlooker saw."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy.demo.errors import DemoStalledError
from deploy.demo.options import DevicePlan
from deploy.demo.report import (
    BundleFigures,
    DeviceFigures,
    Findings,
    RequestFigures,
    RetrainFigures,
    RolloutFigures,
)
from deploy.demo.stage import Stage
from deploy.demo.watch import Watch, accuracy, delivered_sources
from edge_models.bundle import open_bundle
from edge_models.errors import BundleError


def collect(
    stage: Stage,
    plans: Sequence[DevicePlan],
    watch: Watch,
    artifact: str,
    *,
    first: str,
    second: str | None,
    seconds: Mapping[str, float],
) -> Findings:
    """Everything that was measured; parts that a run did not reach stay empty."""
    fleet = _fleet(stage, "requests") or {"requests": [], "jobs": []}
    return Findings(
        artifact=artifact,
        bundles=_bundles(stage, fleet["jobs"], artifact),
        devices=[_device(plan, watch, first=first, second=second) for plan in plans if plan.id in watch.devices],
        requests=[_request(one) for one in fleet["requests"]],
        retrain=_retrain(fleet["jobs"]),
        rollouts=[
            RolloutFigures(id=one["id"], waves=one["waves"], committed=one["committed"], rolled_back=one["rolled_back"])
            for one in _fleet(stage, "rollout", "status") or []
        ],
        seconds=dict(seconds),
    )


def _fleet(stage: Stage, *verb: str) -> Any:  # noqa: ANN401 - JSON
    if not (stage.folder / "fleet.yaml").exists():
        return None
    try:
        return json.loads(stage.call("deploy", *verb, "-c", "fleet.yaml", "--json"))
    except DemoStalledError:  # an unfinished run has no database yet; its report is still worth writing
        return None


def _bundles(stage: Stage, jobs: Sequence[Mapping[str, Any]], artifact: str) -> list[BundleFigures]:
    folders = [stage.folder / "first"]
    folders += [stage.folder / "jobs" / "jobs" / job["id"] / "candidate" for job in jobs if job["bundle"]]
    return [figures for folder in folders if (figures := _bundle(folder, artifact)) is not None]


def _bundle(folder: Path, artifact: str) -> BundleFigures | None:
    try:
        bundle = open_bundle(folder)
        report = json.loads(bundle.read("report.json"))
        run = bundle.artifact(artifact)
    except BundleError:
        return None
    return BundleFigures(
        id=bundle.id,
        model=bundle.manifest.model,
        version=bundle.manifest.version,
        float_bytes=report["float_bytes"],
        int8_bytes=report["int8_bytes"],
        float_accuracy=report["float_accuracy"],
        int8_accuracy=report["int8_accuracy"],
        artifact_bytes=bundle.manifest.files[run.file].size,
        artifact_accuracy=run.acceptance["accuracy"],
    )


def _device(plan: DevicePlan, watch: Watch, *, first: str, second: str | None) -> DeviceFigures:
    device = watch.devices[plan.id]
    shares, counts = accuracy(device, old=first, new=second, taught=delivered_sources(watch))
    return DeviceFigures(
        id=plan.id,
        drifted=plan.drift,
        drift_at_sample=plan.drift_at,
        detected_at_sample=device.detected_at,
        alarms_before_drift=device.alarms_before_drift,
        accuracy=shares,
        frames=counts,
        running_bundle=device.running,
        running_artifact=device.running_artifact,
    )


def _request(one: Mapping[str, Any]) -> RequestFigures:
    return RequestFigures(
        id=one["id"],
        device=one["device"],
        reason=one["reason"],
        bundle_held=one["bundle_held"],
        bundle_answer=one["bundle_answer"],
    )


def _retrain(jobs: Sequence[Mapping[str, Any]]) -> RetrainFigures:
    done = [job for job in jobs if job["bundle"]]
    if not done:
        return RetrainFigures(evidence_driven_accuracy=None, evidence_blind_accuracy=None)
    return RetrainFigures(
        evidence_driven_accuracy=done[-1]["evidence_driven_accuracy"],
        evidence_blind_accuracy=done[-1]["evidence_blind_accuracy"],
    )
