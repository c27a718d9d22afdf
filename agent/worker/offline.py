"""Recorded frames through the whole pipeline, as fast as possible: the work behind ``driftline-agent replay``.

Model, trigger, windows and verdicts are those of the worker (``agent.worker.stream``) and the request policy is the
supervisor's own (``agent.core.request_policy``), so what is printed is what a device would have said and asked for
over the same frames, had nobody answered. No broker, no process, nothing is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

from agent import ipc
from agent.config import AdaptationConfig, CommissioningConfig, DriftConfig, GatingConfig
from agent.core.records import Now
from agent.core.request_outputs import OpenRequest, PolicyOutput, StateChanged
from agent.core.request_policy import ARRIVAL, PolicySettings, RequestPolicy
from agent.errors import ConfigError
from agent.explain.story import Turn
from agent.worker.adaptation.opening import open_guard
from agent.worker.drift.port import Alarm
from agent.worker.engine_report import mean_steps
from agent.worker.opened_model import open_model
from agent.worker.pipeline import MonotonicNs
from agent.worker.replay_report import ReplayReport, Request, VerdictAt
from agent.worker.sources.port import Frame
from agent.worker.sources.recording import Recording, load_recording
from agent.worker.stream import FrameOutcome, Stream, open_stream
from edge_models.bundle import open_manifest
from edge_models.engines import available_runtimes, choose_artifact

Progress = Callable[[int, int], None]
PROGRESS_EVERY = 500  # frames
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
    feedback: float = 0.0,
    cpu_ns: MonotonicNs | None = None,
    progress: Progress | None = None,
) -> ReplayReport:
    """Run every recorded frame through an artifact and everything that watches it.

    Args:
        bundle: Directory of the bundle.
        frames: Recording, see ``agent.worker.sources.recording``.
        clock_ns: For the times of stages only.
        artifact: Name of the artifact; the one that a device with these runtimes chooses by default.
        rate_hz: Frames in a second, for the budget of false alarms, windows and the cool-down between requests; the
            recording's by default.
        seed: Ids of requests and the choice of labels follow from it.
        drift: What watches; if left out the defaults of agent.yaml, but for the hours of commissioning, which are 0.
        gating: Which frames are held; the frames then run a second time without it, for comparison.
        adaptation: What learns; every label of the recording is fed back right after its frame was answered, so that
            accuracy is of answers given before their label was known.
        hold_codes: Send-on-delta of a spiking network's input, see ``open_engine``.
        feedback: Share of the recording's labels that go back once their frames are answered; all of them where
            something learns and this is 0.
        cpu_ns: Processor time of this process, for ``cpu_s_per_hour``; ``clock_ns`` where it is not given.
        progress: Told the number of frames done and of all, now and then.

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
    drift = drift or DriftConfig(commissioning=CommissioningConfig(hours=0.0))
    manifest = open_manifest(bundle).manifest
    recording = load_recording(frames, manifest.input)
    name = choose_artifact(manifest, available_runtimes(), preferred=artifact)
    model = open_model(bundle, name, stream=True, hold_codes=hold_codes)
    times_s = _frame_times_s(recording, rate_hz)

    def played(gate: GatingConfig | None) -> ReplayReport:
        report = ReplayReport(
            artifact=name,
            runtime=model.engine.runtime,
            recording=frames.name,
            rate_hz=len(times_s) / _duration_s(times_s),
            false_alarms_per_month=drift.false_alarms_per_month,
        )
        guard = None if adaptation is None else open_guard(adaptation, model.bundle.artifact(name))
        stream = open_stream(model, drift, clock_ns, gating=gate, guard=guard, rate_hz=report.rate_hz)
        taught = feedback or (0.0 if guard is None else 1.0)
        how = _How(times_s=times_s, feedback=taught, seed=seed, cpu_ns=cpu_ns or clock_ns, progress=progress)
        _Run(recording, stream, drift, report, how).run()
        report.executor, report.note = model.engine.executor, model.engine.note
        report.mean_steps = mean_steps(model.engine)
        return report

    try:
        report = played(gating)
        report.ungated = None if gating is None else played(None)
    finally:
        model.engine.close()
    return report


@dataclass(frozen=True, slots=True, kw_only=True)
class _How:
    """How frames are played: their times, what is fed back, and who looks on."""

    times_s: np.ndarray
    feedback: float
    seed: int
    cpu_ns: MonotonicNs
    progress: Progress | None


class _Run:
    def __init__(
        self, recording: Recording, stream: Stream, drift: DriftConfig, report: ReplayReport, how: _How
    ) -> None:
        self._recording, self._stream, self._report, self._how = recording, stream, report, how
        rng = Random(how.seed)  # noqa: S311 - ids that can be repeated, no secrets
        self._chosen = Random(how.seed + 1)  # noqa: S311 - which labels are known, no secrets
        settings = PolicySettings(confirm_verdicts=drift.confirm_windows, cooldown_s=drift.cooldown_s)
        self._policy = RequestPolicy(settings, new_id=lambda: f"{rng.getrandbits(64):016x}")
        self._alone = list[int | None]()  # what the artifact says, without what was learnt
        self._faults = Counter[str]()

    def run(self) -> None:
        """Run every frame and fill the report."""
        spent_ns, n, how = 0, len(self._recording), self._how
        for index in range(n):
            frame = Frame(x=self._recording.frame(index), position=index, label=self._recording.label(index))
            now_s = float(how.times_s[index])
            start_ns = how.cpu_ns()
            outcome = self._stream.step(frame, now_s)
            spent_ns += how.cpu_ns() - start_ns
            self._report.predictions.append(None if outcome is None else outcome.told.predicted)
            self._alone.append(None if outcome is None else outcome.result.predicted)
            if outcome is not None:
                self._note(outcome, now_s)
                self._teach(outcome, now_s)
            if how.progress is not None and (index + 1 == n or (index + 1) % PROGRESS_EVERY == 0):
                how.progress(index + 1, n)
        self._conclude()
        self._report.cpu_s_per_hour = 3600 * spent_ns / 1e9 / _duration_s(how.times_s)

    def _conclude(self) -> None:
        report = self._report
        report.labelled, report.accuracy = _accuracy(report.predictions, self._recording)
        if self._stream.guard is not None:
            report.unadapted_accuracy = _accuracy(self._alone, self._recording)[1]
        report.held = self._stream.held
        report.waits_for = self._policy.waits_for
        report.faults = dict(self._faults)

    def _note(self, outcome: FrameOutcome, now_s: float) -> None:
        result, report = outcome.result, self._report
        if result.refused is not None:
            report.refused[result.refused] = report.refused.get(result.refused, 0) + 1
        elif not result.held:
            report.preprocess_us.append(result.times.preprocess_us)
            report.infer_us.append(result.times.infer_us)
            report.drift_us.append(outcome.drift_us)
        self._alarmed(outcome.alarms, now_s)
        if outcome.verdict is not None:
            self._judged(outcome.verdict, now_s)
        elif outcome.window is not None and not outcome.window.profile:
            self._decided(self._policy.on_unmeasured(outcome.window.position, _now(now_s)), now_s)

    def _alarmed(self, alarms: tuple[Alarm, ...], now_s: float) -> None:
        self._report.alarms += alarms
        for alarm in alarms:
            message = ipc.Alarm(
                position=alarm.position, signal=alarm.signal, detector=alarm.detector, value=alarm.value
            )
            self._decided(self._policy.on_alarm(message, _now(now_s)), now_s)

    def _judged(self, verdict: ipc.Verdict, now_s: float) -> None:
        report = self._report
        right = _accuracy(self._alone, self._recording, verdict.start, verdict.position + 1)[1]
        report.verdicts.append(VerdictAt(at_s=now_s, verdict=verdict, accuracy=right))
        report.thin = verdict.thin
        self._faults.update(verdict.faults)
        if verdict.commissioned and report.commissioned_at is None:
            report.commissioned_at = verdict.position
        self._decided(self._policy.on_verdict(verdict, _now(now_s)), now_s)

    def _teach(self, outcome: FrameOutcome, now_s: float) -> None:
        label = outcome.frame.label
        if label is None or self._chosen.random() >= self._how.feedback:
            return
        answer = self._stream.feedback(outcome.seq, label, outcome.frame.position)
        self._report.fed_back += 1
        self._alarmed(answer.alarms, now_s)
        if answer.change is not None:
            self._report.changes.append(answer.change)

    def _decided(self, outputs: list[PolicyOutput], now_s: float) -> None:
        report = self._report
        for output in outputs:
            match output:
                case StateChanged():
                    report.states.append(_turn(output, now_s))
                    report.on_arrival = report.on_arrival or output.detector == ARRIVAL
                case OpenRequest(position=frame, id=identity, reason=reason, signal=signal):
                    report.requests.append(Request(frame=frame, id=identity, reason=reason.value, signal=signal))
                case _:
                    pass  # a request that needs no answer any more: the state says why


def _now(seconds: float) -> Now:
    return Now(monotonic_s=seconds)


def _turn(changed: StateChanged, now_s: float) -> Turn:
    return Turn(
        frame=changed.position,
        at_s=now_s,
        state=changed.state.value,
        sign=changed.sign.value,
        signal=changed.signal,
        detector=changed.detector,
        severity=changed.severity,
    )


def _frame_times_s(recording: Recording, rate_hz: float | None) -> np.ndarray:
    """Monotonic seconds of each frame: a given rate first, then recorded times, then the recorded rate."""
    if rate_hz is None and recording.t is not None:
        return np.maximum.accumulate(recording.t - recording.t[0])
    return np.arange(len(recording)) / (rate_hz or recording.rate_hz or DEFAULT_RATE_HZ)


def _duration_s(times_s: np.ndarray) -> float:
    """How long the frames took to come, the last one's own time included."""
    between_s = float(times_s[-1] - times_s[0]) / max(1, len(times_s) - 1)
    return len(times_s) * (between_s or 1 / DEFAULT_RATE_HZ)


def _accuracy(
    predictions: list[int | None], recording: Recording, start: int = 0, stop: int | None = None
) -> tuple[int, float | None]:
    """Number of labelled answers from ``start`` to before ``stop``, and the share of right ones; None without any."""
    pairs = [
        (predicted, label)
        for index, predicted in enumerate(predictions[start:stop], start)
        if predicted is not None and (label := recording.label(index)) is not None
    ]
    return len(pairs), sum(predicted == label for predicted, label in pairs) / len(pairs) if pairs else None
