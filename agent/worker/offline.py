"""Recorded frames through the whole pipeline, as fast as possible: the work behind ``driftline-agent replay``.

Model, drift detectors and windows are those of the worker (``agent.worker.stream``) and the request policy is the
supervisor's own (``agent.core.request_policy``), so what is printed is what a device would have said and asked for
over the same frames. No broker, no process, nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import numpy as np

from agent.config import DriftConfig
from agent.core.request_policy import OpenRequest, PolicyOutput, PolicySettings, RequestPolicy, WindowFacts
from agent.errors import ConfigError
from agent.ipc import Window
from agent.worker.drift.port import Alarm
from agent.worker.pipeline import MonotonicNs
from agent.worker.sources.port import Frame
from agent.worker.sources.recording import Recording, load_recording
from agent.worker.stream import FrameOutcome, Stream, open_model, open_stream
from edge_models.bundle import open_manifest
from edge_models.engines import available_runtimes, choose_artifact
from edge_models.fields import JsonValue

DEFAULT_RATE_HZ = 10.0  # as the replay source's default, for recordings that do not say


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
        predictions: Predicted class of each frame; None for a refused one and while a window of rows fills.
        refused: Reason and number of the frames that the model could not take.
        alarms: What the detectors said.
        requests: What the policy asked for.
        accuracy: Share of right predictions among the labelled frames; None without labels.
        labelled: Number of labelled frames with a prediction.
    """

    artifact: str
    runtime: str
    predictions: list[int | None] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    alarms: list[Alarm] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    accuracy: float | None = None
    labelled: int = 0
    preprocess_us: list[float] = field(default_factory=list)
    infer_us: list[float] = field(default_factory=list)
    drift_us: list[float] = field(default_factory=list)

    def to_json(self) -> dict[str, JsonValue]:
        """The document that ``--json`` prints."""
        return {
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

    def summary(self) -> str:
        """The same for people, one fact a line."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"{len(self.predictions)} frames through {self.artifact} on {self.runtime}"
        if self.accuracy is not None:
            yield f"accuracy     {self.accuracy:.4f} over {self.labelled} labelled frames"
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
        stages = (("preprocess", self.preprocess_us), ("infer", self.infer_us), ("drift", self.drift_us))
        yield "median us    " + ", ".join(f"{name} {_median(times):.1f}" for name, times in stages)


def replay(
    bundle: Path,
    frames: Path,
    *,
    clock_ns: MonotonicNs,
    artifact: str | None = None,
    rate_hz: float | None = None,
    seed: int = 0,
    drift: DriftConfig | None = None,
) -> ReplayReport:
    """Run every recorded frame through an artifact and everything that watches it.

    Args:
        bundle: Directory of the bundle.
        frames: Recording, see ``agent.worker.sources.recording``.
        clock_ns: For the times of stages only.
        artifact: Name of the artifact; the one that a device with these runtimes chooses by default.
        rate_hz: Frames in a second, for windows and the cool-down between requests; the recording's by default.
        seed: Ids of requests follow from it.
        drift: What watches; the defaults of agent.yaml if left out.

    Raises:
        SourceError: The recording is missing or malformed.
        ConfigError: A rate that is no rate.
        BundleError: The bundle is not what its manifest says.
        EngineError: No runtime here runs the artifact.
    """
    if rate_hz is not None and not 0 < rate_hz < float("inf"):
        raise ConfigError(f"--rate-hz: found {rate_hz}, expected a number of frames in a second above 0")
    drift = drift or DriftConfig()
    manifest = open_manifest(bundle).manifest
    recording = load_recording(frames, manifest.input)
    name = choose_artifact(manifest, available_runtimes(), preferred=artifact)
    model = open_model(bundle, name)
    try:
        report = ReplayReport(artifact=name, runtime=model.engine.runtime)
        _Run(recording, open_stream(model, drift, clock_ns), drift, report, rate_hz=rate_hz, seed=seed).run()
    finally:
        model.engine.close()
    return report


class _Run:
    def __init__(
        self,
        recording: Recording,
        stream: Stream,
        drift: DriftConfig,
        report: ReplayReport,
        *,
        rate_hz: float | None,
        seed: int,
    ) -> None:
        self._recording = recording
        self._times_s = _frame_times_s(recording, rate_hz)
        self._stream = stream
        self._report = report
        rng = Random(seed)  # noqa: S311 - ids that can be repeated, no secrets
        settings = PolicySettings(confirm_windows=drift.confirm_windows, cooldown_s=drift.cooldown_s)
        self._policy = RequestPolicy(settings, new_id=lambda: f"{rng.getrandbits(64):016x}")

    def run(self) -> None:
        """Run every frame and fill the report."""
        for index in range(len(self._recording)):
            frame = Frame(x=self._recording.frame(index), position=index, label=self._recording.label(index))
            now_s = float(self._times_s[index])
            outcome = self._stream.step(frame, now_s)
            self._report.predictions.append(None if outcome is None else outcome.result.predicted)
            if outcome is not None:
                self._note(outcome, now_s)
        self._report.labelled, self._report.accuracy = _accuracy(self._report.predictions, self._recording)

    def _note(self, outcome: FrameOutcome, now_s: float) -> None:
        result, report = outcome.result, self._report
        if result.refused is not None:
            report.refused[result.refused] = report.refused.get(result.refused, 0) + 1
        else:
            report.preprocess_us.append(result.times.preprocess_us)
            report.infer_us.append(result.times.infer_us)
            report.drift_us.append(outcome.drift_us)
        report.alarms += outcome.alarms
        for alarm in outcome.alarms:
            self._decided(self._policy.on_alarm(position=alarm.position, signal=alarm.signal, detector=alarm.detector))
        if outcome.window is not None:
            self._decided(self._policy.on_window(_facts(outcome.window), now_s))

    def _decided(self, outputs: list[PolicyOutput]) -> None:
        self._report.requests += [
            Request(frame=output.position, id=output.id, reason=output.reason.value, signal=output.signal)
            for output in outputs
            if isinstance(output, OpenRequest)
        ]


def _facts(window: Window) -> WindowFacts:
    return WindowFacts(start=window.start, position=window.position, n=window.n, effects=window.effects)


def _frame_times_s(recording: Recording, rate_hz: float | None) -> np.ndarray:
    """Monotonic seconds of each frame: a given rate first, then recorded times, then the recorded rate."""
    if rate_hz is None and recording.t is not None:
        return np.maximum.accumulate(recording.t - recording.t[0])
    return np.arange(len(recording)) / (rate_hz or recording.rate_hz or DEFAULT_RATE_HZ)


def _accuracy(predictions: list[int | None], recording: Recording) -> tuple[int, float | None]:
    pairs = [
        (predicted, label)
        for index, predicted in enumerate(predictions)
        if predicted is not None and (label := recording.label(index)) is not None
    ]
    return len(pairs), sum(predicted == label for predicted, label in pairs) / len(pairs) if pairs else None


def _by_signal(alarms: list[Alarm]) -> dict[str, list[Alarm]]:
    grouped: dict[str, list[Alarm]] = {}
    for alarm in alarms:
        grouped.setdefault(alarm.signal, []).append(alarm)
    return grouped


def _median(values: list[float]) -> float:
    return float(np.median(values)) if values else 0.0
