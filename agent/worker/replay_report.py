"""What came out of a replay, and the one document that programs get of it. No decisions here."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from agent.core.severity import measured
from agent.explain.story import Turn
from agent.ipc import Verdict
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


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictAt:
    """A verdict, when it was given, and what the labels of the recording say of its frames.

    Attributes:
        at_s: Seconds since the first frame.
        verdict: The verdict.
        accuracy: Share of right predictions among its labelled frames; None without labels.
    """

    at_s: float
    verdict: Verdict
    accuracy: float | None

    @property
    def severity(self) -> float:
        """The effect that counts: the largest one of a signal, or that of classes or labels where only they differ."""
        weighed = measured(self.verdict)
        return max(self.verdict.effects.values(), default=0.0) if weighed is None else weighed.effect

    @property
    def effects(self) -> dict[str, float]:
        """The effect of each signal, and of classes or labels where only they differ."""
        weighed = measured(self.verdict)
        effects = dict(self.verdict.effects)
        return effects if weighed is None else {weighed.signal: weighed.effect, **effects}

    def to_json(self) -> dict[str, JsonValue]:
        """The verdict as it is weighed; an estimate is called one."""
        verdict, weighed = self.verdict, measured(self.verdict)
        return {
            "frame": verdict.position,
            "at_s": self.at_s,
            "start": verdict.start,
            "n": verdict.n,
            "n_effective": verdict.n_effective,
            "thin": verdict.thin,
            "level": None if weighed is None else weighed.level.value,
            "signal": None if weighed is None else weighed.signal,
            "effect": None if weighed is None else weighed.effect,
            "limit": None if weighed is None else weighed.limit,
            "is_over": weighed is not None and weighed.is_over,
            "context": verdict.context or None,
            "effects": dict(verdict.effects),
            "signature": dict(verdict.signature),
            "attribution": dict(verdict.attribution),
            "class_effect": verdict.class_effect,
            "class_n": verdict.class_n,
            "changed_at": verdict.changed_at,
            "estimated_accuracy": verdict.accuracy,
            "estimated_accuracy_low": verdict.accuracy_low,
            "estimated_accuracy_high": verdict.accuracy_high,
            "accuracy": self.accuracy,
            "labelled": verdict.labelled,
            "labelled_accuracy": verdict.labelled_accuracy,
            "commissioned": verdict.commissioned,
            "faults": dict(verdict.faults),
        }


@dataclass(slots=True, kw_only=True)
class ReplayReport:
    """What came out.

    Attributes:
        artifact: What ran.
        runtime: With what.
        recording: Name of the recording, for people.
        executor: How, in the end.
        note: Why that is slower than it could be here; empty where nothing is missing.
        mean_steps: Time steps that a frame took on average; None for an engine without them.
        predictions: Predicted class of each frame; None for a refused one and while a window of rows fills.
        refused: Reason and number of the frames that the model could not take.
        alarms: What the detectors said.
        states: States of the episodes, in the order in which they were entered.
        verdicts: How far each stretch of independent frames was from the reference.
        requests: What the policy asked for.
        thin: One of so many frames counts as independent, in the end.
        faults: Frames by fault.
        commissioned_at: Frame of the first verdict after commissioning; None where that did not end.
        waits_for: Why no model is asked for although drift is confirmed, in the end.
        on_arrival: Whether the device was never like its reference.
        rate_hz: Frames in a second.
        false_alarms_per_month: Their budget.
        fed_back: Labels that went back as feedback.
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
    recording: str = ""
    executor: str = ""
    note: str = ""
    mean_steps: float | None = None
    predictions: list[int | None] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    alarms: list[Alarm] = field(default_factory=list)
    states: list[Turn] = field(default_factory=list)
    verdicts: list[VerdictAt] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    thin: int = 1
    faults: dict[str, int] = field(default_factory=dict)
    commissioned_at: int | None = None
    waits_for: str | None = None
    on_arrival: bool = False
    rate_hz: float = 0.0
    false_alarms_per_month: float = 0.0
    fed_back: int = 0
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

    @property
    def worst(self) -> VerdictAt | None:
        """The verdict with the largest effect, the first of equals; None before the first one."""
        return max(self.verdicts, key=lambda each: each.severity, default=None)

    def to_json(self) -> dict[str, JsonValue]:
        """The document that ``--json`` prints."""
        return {
            **self._asked(),
            "n": len(self.predictions),
            "predictions": list(self.predictions),
            "alarms": [{"frame": a.position, "signal": a.signal, "detector": a.detector} for a in self.alarms],
            "states": [
                {
                    "frame": turn.frame,
                    "at_s": turn.at_s,
                    "state": turn.state,
                    "signal": turn.signal,
                    "detector": turn.detector,
                    "effect": turn.severity,
                }
                for turn in self.states
            ],
            "verdicts": [each.to_json() for each in self.verdicts],
            "requests": [
                {"frame": request.frame, "id": request.id, "reason": request.reason, "signal": request.signal}
                for request in self.requests
            ],
            "drift": {
                "thin": self.thin,
                "rate_hz": self.rate_hz,
                "false_alarms_per_month": self.false_alarms_per_month,
                "commissioned_at": self.commissioned_at,
                "on_arrival": self.on_arrival,
                "waits_for": self.waits_for,
                "faults": dict(self.faults),
            },
            "accuracy": self.accuracy,
            "labelled": self.labelled,
            "fed_back": self.fed_back,
            "stage_us": {name: median(times) for name, times in self.stages().items()},
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

    def stages(self) -> dict[str, list[float]]:
        """Microseconds of each frame that was run, by stage."""
        return {"preprocess": self.preprocess_us, "infer": self.infer_us, "drift": self.drift_us}

    def _asked(self) -> dict[str, JsonValue]:
        """What only some replays have."""
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
        return asked


def median(values: list[float]) -> float:
    """The median; 0 of nothing.

    >>> median([3.0, 1.0, 2.0]), median([])
    (2.0, 0.0)
    """
    return float(np.median(values)) if values else 0.0
