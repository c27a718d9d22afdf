"""What came out of a replay: one document for programs, one summary for people. No decisions here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from agent.worker.adaptation.guard import Change
from agent.worker.drift.port import Alarm
from edge_models.fields import JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A model request that the device would have raised."""

    frame: int
    id: str
    reason: str
    signal: str | None


@dataclass(slots=True, kw_only=True)
class ReplayReport:
    """What came out.

    Attributes:
        artifact: What ran.
        runtime: With what.
        executor: How, in the end.
        note: Why that is slower than it could be here; empty where nothing is missing.
        mean_steps: Time steps that a frame took on average; None for an engine without them.
        predictions: Predicted class of each frame; None for a refused one and while a window of rows fills.
        refused: Reason and number of the frames that the model could not take.
        alarms: What the detectors said.
        requests: What the policy asked for.
        accuracy: Share of right predictions among the labelled frames; None without labels.
        labelled: Number of labelled frames with a prediction.
        held: Frames that gating held.
        cpu_s_per_hour: Processor time of an hour of these frames at their rate: preprocessing, model, detectors and
            windows, or holding; what a device spends on waiting and talking is not in it.
        unadapted_accuracy: As ``accuracy``, of the artifact alone; None where nothing learns.
        changes: What came into use of what was learnt, and what was taken back.
        ungated: The same frames with gating off; None where gating was not asked for.
    """

    artifact: str
    runtime: str
    executor: str = ""
    note: str = ""
    mean_steps: float | None = None
    predictions: list[int | None] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    alarms: list[Alarm] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    accuracy: float | None = None
    labelled: int = 0
    held: int = 0
    cpu_s_per_hour: float = 0.0
    unadapted_accuracy: float | None = None
    changes: list[Change] = field(default_factory=list)
    ungated: ReplayReport | None = None
    preprocess_us: list[float] = field(default_factory=list)
    infer_us: list[float] = field(default_factory=list)
    drift_us: list[float] = field(default_factory=list)

    def to_json(self) -> dict[str, JsonValue]:
        """The document that ``--json`` prints."""
        asked: dict[str, JsonValue] = {}
        if self.mean_steps is not None:
            asked["mean_steps"] = self.mean_steps
        if self.ungated is not None:
            asked["gating"] = {"on": self.cost(), "off": self.ungated.cost()}
        if self.unadapted_accuracy is not None:
            asked["adaptation"] = {
                "accuracy": self.accuracy,
                "unadapted_accuracy": self.unadapted_accuracy,
                "adapted_rev": self.changes[-1].rev if self.changes else 0,
                "changes": [{"labels": c.labels, "why": c.why, "rev": c.rev} for c in self.changes],
            }
        return {
            **asked,
            "n": len(self.predictions),
            "predictions": list(self.predictions),
            "alarms": [{"frame": a.position, "signal": a.signal, "detector": a.detector} for a in self.alarms],
            "requests": [
                {"frame": request.frame, "id": request.id, "reason": request.reason, "signal": request.signal}
                for request in self.requests
            ],
            "stage_us": {
                "preprocess": _median(self.preprocess_us),
                "infer": _median(self.infer_us),
                "drift": _median(self.drift_us),
            },
        }

    def cost(self) -> dict[str, JsonValue]:
        """What these frames took and led to, to compare gating on and off."""
        return {
            "held": self.held,
            "cpu_s_per_hour": self.cpu_s_per_hour,
            "accuracy": self.accuracy,
            "alarms": len(self.alarms),
            "requests": len(self.requests),
        }

    def summary(self) -> str:
        """The same for people, one fact a line."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"{len(self.predictions)} frames through {self.artifact} on {self.runtime}, {self.executor}"
        if self.accuracy is not None:
            yield f"accuracy     {self.accuracy:.4f} over {self.labelled} labelled frames"
        if self.mean_steps is not None:
            yield f"time steps   {self.mean_steps:.2f} a frame on average"
        if self.note:
            yield f"slower than it could be: {self.note}"
        if self.unadapted_accuracy is not None:
            yield f"un-adapted   {self.unadapted_accuracy:.4f} without what was learnt"
            for change in self.changes:
                yield f"             {change.why.replace('_', ' ')} after {change.labels} labels: revision {change.rev}"
        for reason, count in self.refused.items():
            yield f"refused      {count}: {reason}"
        yield f"alarms       {len(self.alarms)}" + (
            f", the first at frame {self.alarms[0].position}" if self.alarms else ""
        )
        for signal, alarms in _by_signal(self.alarms).items():
            yield f"             {signal}: {len(alarms)} ({alarms[0].detector}), first at frame {alarms[0].position}"
        yield f"requests     {len(self.requests)}"
        for request in self.requests:
            yield f"             {request.id} at frame {request.frame}: {request.reason}, signal {request.signal}"
        if self.ungated is not None:
            yield f"gating       {self.held} of {len(self.predictions)} frames held"
            yield from (f"             {line}" for line in _compared(self, self.ungated))
        stages = (("preprocess", self.preprocess_us), ("infer", self.infer_us), ("drift", self.drift_us))
        yield "median us    " + ", ".join(f"{name} {_median(times):.1f}" for name, times in stages)


def _compared(on: ReplayReport, off: ReplayReport) -> Iterator[str]:
    """What gating changes, one figure a line."""
    times = off.cpu_s_per_hour / on.cpu_s_per_hour if on.cpu_s_per_hour else 1.0
    yield f"CPU seconds an hour  {on.cpu_s_per_hour:.2f}, without {off.cpu_s_per_hour:.2f} ({times:.1f} times)"
    if on.accuracy is not None and off.accuracy is not None:
        yield f"accuracy             {on.accuracy:.4f}, without {off.accuracy:.4f}"
    yield f"alarms, requests     {len(on.alarms)}, {len(on.requests)}, without {len(off.alarms)}, {len(off.requests)}"


def _by_signal(alarms: list[Alarm]) -> dict[str, list[Alarm]]:
    grouped: dict[str, list[Alarm]] = {}
    for alarm in alarms:
        grouped.setdefault(alarm.signal, []).append(alarm)
    return grouped


def _median(values: list[float]) -> float:
    return float(np.median(values)) if values else 0.0
