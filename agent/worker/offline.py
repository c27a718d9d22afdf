"""Recorded frames through the whole pipeline, as fast as possible: the work behind ``driftline-agent replay``.

Model, drift detectors and windows are those of the worker (``agent.worker.stream``) and the request policy is the
supervisor's own (``agent.core.request_policy``), so what is printed is what a device would have said and asked for
over the same frames. No broker, no process, nothing is written.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np

from agent.config import AdaptationConfig, DriftConfig, GatingConfig
from agent.core.request_policy import OpenRequest, PolicyOutput, PolicySettings, RequestPolicy, WindowFacts
from agent.errors import ConfigError
from agent.ipc import Window
from agent.worker.adaptation.opening import open_guard
from agent.worker.engine_report import mean_steps
from agent.worker.pipeline import MonotonicNs
from agent.worker.replay_report import ReplayReport, Request
from agent.worker.sources.port import Frame
from agent.worker.sources.recording import Recording, load_recording
from agent.worker.stream import FrameOutcome, Stream, open_model, open_stream
from edge_models.bundle import open_manifest
from edge_models.engines import available_runtimes, choose_artifact

DEFAULT_RATE_HZ = 10.0  # as the replay source's default, for recordings that do not say


def replay(
    bundle: Path,
    frames: Path,
    *,
    clock_ns: MonotonicNs,
    artifact: str | None = None,
    rate_hz: float | None = None,
    seed: int = 0,
    drift: DriftConfig | None = None,
    gating: GatingConfig | None = None,
    adaptation: AdaptationConfig | None = None,
    hold_codes: int = 0,
    cpu_ns: MonotonicNs | None = None,
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
        gating: Which frames are held; the frames then run a second time without it, for comparison.
        adaptation: What learns; every label of the recording is fed back right after its frame was answered, so that
            accuracy is of answers given before their label was known.
        hold_codes: Send-on-delta of a spiking network's input, see ``open_engine``.
        cpu_ns: Processor time of this process, for ``cpu_s_per_hour``; ``clock_ns`` where it is not given.

    Raises:
        SourceError: The recording is missing or malformed.
        ConfigError: A rate that is no rate.
        LearnerError: No learner of that name.
        UnadaptableError: Nothing can be learnt on the artifact.
        BundleError: The bundle is not what its manifest says.
        EngineError: No runtime here runs the artifact.
    """
    if rate_hz is not None and not 0 < rate_hz < float("inf"):
        raise ConfigError(f"--rate-hz: found {rate_hz}, expected a number of frames in a second above 0")
    drift = drift or DriftConfig()
    manifest = open_manifest(bundle).manifest
    recording = load_recording(frames, manifest.input)
    name = choose_artifact(manifest, available_runtimes(), preferred=artifact)
    model = open_model(bundle, name, stream=True, hold_codes=hold_codes)

    def played(gate: GatingConfig | None) -> ReplayReport:
        report = ReplayReport(artifact=name, runtime=model.engine.runtime)
        guard = None if adaptation is None else open_guard(adaptation, model.bundle.artifact(name))
        stream = open_stream(model, drift, clock_ns, gating=gate, guard=guard)
        _Run(recording, stream, drift, report, rate_hz=rate_hz, seed=seed, cpu_ns=cpu_ns or clock_ns).run()
        report.executor, report.note = model.engine.executor, model.engine.note
        report.mean_steps = mean_steps(model.engine)
        return report

    try:
        report = played(gating)
        report.ungated = None if gating is None else played(None)
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
        cpu_ns: MonotonicNs,
    ) -> None:
        self._recording = recording
        self._times_s = _frame_times_s(recording, rate_hz)
        self._stream = stream
        self._report = report
        self._cpu_ns = cpu_ns
        rng = Random(seed)  # noqa: S311 - ids that can be repeated, no secrets
        settings = PolicySettings(confirm_windows=drift.confirm_windows, cooldown_s=drift.cooldown_s)
        self._policy = RequestPolicy(settings, new_id=lambda: f"{rng.getrandbits(64):016x}")

    def run(self) -> None:
        """Run every frame and fill the report."""
        spent_ns, alone = 0, list[int | None]()
        for index in range(len(self._recording)):
            frame = Frame(x=self._recording.frame(index), position=index, label=self._recording.label(index))
            now_s = float(self._times_s[index])
            start_ns = self._cpu_ns()
            outcome = self._stream.step(frame, now_s)
            spent_ns += self._cpu_ns() - start_ns
            self._report.predictions.append(None if outcome is None else outcome.told.predicted)
            alone.append(None if outcome is None else outcome.result.predicted)
            if outcome is not None:
                self._note(outcome, now_s)
                self._teach(outcome)
        self._report.labelled, self._report.accuracy = _accuracy(self._report.predictions, self._recording)
        if self._stream.guard is not None:
            self._report.unadapted_accuracy = _accuracy(alone, self._recording)[1]
        self._report.held = self._stream.held
        self._report.cpu_s_per_hour = 3600 * spent_ns / 1e9 / _duration_s(self._times_s)

    def _note(self, outcome: FrameOutcome, now_s: float) -> None:
        result, report = outcome.result, self._report
        if result.refused is not None:
            report.refused[result.refused] = report.refused.get(result.refused, 0) + 1
        elif not result.held:
            report.preprocess_us.append(result.times.preprocess_us)
            report.infer_us.append(result.times.infer_us)
            report.drift_us.append(outcome.drift_us)
        report.alarms += outcome.alarms
        for alarm in outcome.alarms:
            self._decided(self._policy.on_alarm(position=alarm.position, signal=alarm.signal, detector=alarm.detector))
        if outcome.window is not None:
            self._decided(self._policy.on_window(_facts(outcome.window), now_s))

    def _teach(self, outcome: FrameOutcome) -> None:
        label = outcome.frame.label
        if self._stream.guard is None or label is None:
            return
        change = self._stream.feedback(outcome.seq, label, outcome.frame.position).change
        if change is not None:
            self._report.changes.append(change)

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


def _duration_s(times_s: np.ndarray) -> float:
    """How long the frames took to come, the last one's own time included."""
    between_s = float(times_s[-1] - times_s[0]) / max(1, len(times_s) - 1)
    return len(times_s) * (between_s or 1 / DEFAULT_RATE_HZ)


def _accuracy(predictions: list[int | None], recording: Recording) -> tuple[int, float | None]:
    pairs = [
        (predicted, label)
        for index, predicted in enumerate(predictions)
        if predicted is not None and (label := recording.label(index)) is not None
    ]
    return len(pairs), sum(predicted == label for predicted, label in pairs) / len(pairs) if pairs else None
