"""One stream through one model: pipeline, detectors and windows in step.

The worker's loop and the offline ``replay`` both run frames through this class, so what replay shows is what a device
would have done.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

from agent.config import DriftConfig, GatingConfig
from agent.worker.adaptation.guard import UNADAPTED, Guard
from agent.worker.adaptation.port import Example
from agent.worker.drift.per_signal import ERROR_SIGNAL
from agent.worker.drift.port import DriftDetector
from agent.worker.drift.registry import Watched, build_detectors, river_items
from agent.worker.drift.saved import Kind
from agent.worker.drift.seen import Seen
from agent.worker.drift.trigger import Trigger
from agent.worker.opened_model import OpenedModel
from agent.worker.outcome import FeedbackOutcome, FrameOutcome, Told
from agent.worker.pipeline import MonotonicNs, Pipeline, PipelineResult, open_pipeline
from agent.worker.sources.port import Frame
from agent.worker.stages import Stages
from agent.worker.window import WindowCounter
from edge_models.errors import ArchiveError
from edge_models.profile import Profile
from edge_models.signals import class_count, softmax

__all__ = ["FeedbackOutcome", "FrameOutcome", "Stream", "Told", "open_stream"]

REMEMBERED_PREDICTIONS = 4096  # how far back feedback may reach
REMEMBERED_BYTES = 4 << 20  # of examples, where something learns from them


@dataclass(slots=True, kw_only=True)
class _Remembered:
    """The answer to a frame that was run; held frames that repeat it share it, so it is learnt from once."""

    predicted: int
    example: Example | None
    is_answered: bool = False


class Stream:
    """Runs the frames of one source through one artifact and watches them.

    Args:
        pipeline: The model.
        detectors: What watches each frame's signals against their own past.
        trigger: What watches against the profile; None without one.
        window: What counts frames.
        clock_ns: For the time that watching takes.
        first_seq: Number of the first prediction.
        guard: What learns from feedback; None where nothing does.
        remembered_bytes: Most that the examples of predictions may take, until feedback comes.

    Attributes:
        window: What counts frames.
        trigger: What watches against the profile.
        guard: What learns.
        frames: Frames answered, refused ones included.
        held: Of them, frames that gating held.
        stages: How long the parts of a frame take.
    """

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        detectors: tuple[DriftDetector, ...],
        window: WindowCounter,
        trigger: Trigger | None = None,
        clock_ns: MonotonicNs,
        first_seq: int = 0,
        guard: Guard | None = None,
        remembered_bytes: int = REMEMBERED_BYTES,
    ) -> None:
        self._pipeline, self._detectors, self._clock_ns = pipeline, detectors, clock_ns
        self._predictions: OrderedDict[int, _Remembered] = OrderedDict()
        self._newest: _Remembered | None = None
        self._remembered_bytes = remembered_bytes
        self.guard = guard
        self.window = window
        self.trigger = trigger
        self.frames = self.held = 0
        self.stages = Stages()
        self._seq = first_seq

    def step(self, frame: Frame, now_s: float) -> FrameOutcome | None:
        """Run one frame; None while a window of rows is filling.

        Args:
            frame: From the source.
            now_s: Monotonic time of the frame.

        Raises:
            EngineError: The runtime gave up on the model.
        """
        result = self._pipeline.run(frame.x)
        if result is None:
            return None
        start = self._clock_ns()
        seen = self._watch(frame, result, now_s)
        window = self.window.add(frame.position, result, now_s)
        if window is not None and self.trigger is not None:
            window = replace(window, thin=self.trigger.thin)
        drift_us = result.times.signals_us + (self._clock_ns() - start) / 1000
        if result.refused is None and not result.held:
            self.stages.add(result.times, drift_us)
        outcome = FrameOutcome(
            frame=frame,
            seq=self._seq,
            result=result,
            told=self._told(result),
            alarms=seen.alarms,
            window=window,
            verdict=seen.verdict,
            drift_us=drift_us,
        )
        self._remember(result)
        return outcome

    def feedback(self, seq: int, label: int, position: int) -> FeedbackOutcome:
        """Take the true class of an earlier prediction.

        Feedback for a frame that is no longer remembered, or that gets it twice, is ignored; a frame and those held
        against it count as one.
        """
        remembered = self._predictions.get(seq)
        if remembered is None or remembered.is_answered:
            return FeedbackOutcome()
        if not 0 <= label < self._pipeline.classes:
            return FeedbackOutcome(refused=f"feedback: found label {label}, expected 0 to {self._pipeline.classes - 1}")
        remembered.is_answered = True
        is_right = remembered.predicted == label
        error = {ERROR_SIGNAL: float(not is_right)}
        alarms = tuple(alarm for detector in self._detectors for alarm in detector.update(error, None, position))
        if self.trigger is not None:
            alarms += self.trigger.on_label(is_right=is_right, position=position)
        if self.guard is None or remembered.example is None:
            return FeedbackOutcome(alarms=alarms)
        return FeedbackOutcome(alarms=alarms, change=self.guard.learn(remembered.example, label))

    def reset_drift(self, *, learn: str | None = None, forget: bool = False) -> None:
        """A new normal starts now: forget the detectors' memory and the window in progress.

        Args:
            learn: Name of the context that what comes next is learnt as; None to learn none.
            forget: Whether contexts learnt before go.
        """
        for detector in self._detectors:
            detector.reset()
        self.window.reset()
        if self.trigger is not None:
            self.trigger.reset(learn=learn, forget=forget)

    def collect_evidence(self, *, on: bool) -> None:
        """Start merging what is seen into an evidence sketch from nothing, or stop."""
        if self.trigger is not None:
            self.trigger.collect_evidence(on=on)

    def unsaved(self, *, at_once: bool = False) -> list[tuple[Kind, bytes]]:
        """What a later worker needs to go on watching, as far as it has changed enough; ``at_once`` for all of it."""
        return [] if self.trigger is None else self.trigger.unsaved(at_once=at_once)

    def _watch(self, frame: Frame, result: PipelineResult, now_s: float) -> Seen:
        seen = Seen()
        if self.trigger is not None:
            seen = self.trigger.update(frame.x, result, frame.position, now_s)
        if not self._detectors or result.signals is None or result.held:
            return seen
        values = dict(zip(self._pipeline.signal_names, result.signals.tolist(), strict=True))
        own_past = tuple(
            alarm for detector in self._detectors for alarm in detector.update(values, result.predicted, frame.position)
        )
        return replace(seen, alarms=seen.alarms + own_past) if own_past else seen

    def _told(self, result: PipelineResult) -> Told:
        if self.guard is None or self.guard.rev == UNADAPTED or result.example is None:
            return Told(predicted=result.predicted, confidence=result.confidence)
        chances = softmax(self.guard.predict(result.example))
        best = int(chances.argmax())
        return Told(predicted=best, confidence=float(chances[best]))

    def _remember(self, result: PipelineResult) -> None:
        if result.predicted is not None:
            example = result.example
            if self._newest is None or not result.held:
                self._newest = _Remembered(predicted=result.predicted, example=example)
            self._predictions[self._seq] = self._newest
            room = REMEMBERED_PREDICTIONS if example is None else self._remembered_bytes // example.size_bytes
            if len(self._predictions) > min(REMEMBERED_PREDICTIONS, room):
                self._predictions.popitem(last=False)
        self._seq += 1
        self.frames += 1
        self.held += result.held


def open_stream(
    model: OpenedModel,
    drift: DriftConfig,
    clock_ns: MonotonicNs,
    *,
    first_seq: int = 0,
    gating: GatingConfig | None = None,
    guard: Guard | None = None,
    remembered_bytes: int = REMEMBERED_BYTES,
    rate_hz: float | None = None,
    cpu_ns: MonotonicNs | None = None,
) -> Stream:
    """A fresh stream on a loaded model.

    Args:
        model: The model; it stays the caller's to close.
        drift: What watches it.
        clock_ns: For the times of stages.
        first_seq: Number of the first prediction. A worker starts it at the position in its source, so that the
            ids of predictions stay apart when a worker replaces another one.
        gating: Which frames are held; none runs all.
        guard: What learns from feedback, see ``open_guard``; none for nothing.
        remembered_bytes: Most that the examples of predictions may take, until feedback comes.
        rate_hz: Frames in a second, for the budget of false alarms; None where only the stream itself tells.
        cpu_ns: Processor time of this thread; ``clock_ns`` where it is not given.

    Raises:
        BundleError: The artifact's profile is of other signals than this version computes, or of other classes.
        DetectorError: The configuration names a detector or parameter that does not exist.
    """
    profile = model.profile
    pipeline = open_pipeline(
        model.bundle,
        model.artifact_name,
        model.engine,
        clock_ns,
        cpu_ns=cpu_ns,
        gating=gating,
        examples=guard is not None,
        profile=profile,
    )
    if profile is not None:
        _check_profile(profile, model, pipeline)
    edges = {} if profile is None else dict(zip(profile.signals, profile.edges.tolist(), strict=True))
    watched = Watched(signals=pipeline.signal_names, edges=edges)
    trigger = None if profile is None else Trigger(profile, drift, rate_hz=rate_hz)
    window = WindowCounter(size=drift.window, profile=profile)
    return Stream(
        pipeline=pipeline,
        detectors=build_detectors(river_items(drift.detectors, has_profile=trigger is not None), watched),
        trigger=trigger,
        window=window,
        clock_ns=clock_ns,
        first_seq=first_seq,
        guard=guard,
        remembered_bytes=remembered_bytes,
    )


def _check_profile(profile: Profile, model: OpenedModel, pipeline: Pipeline) -> None:
    if profile.signals != pipeline.signal_names:
        raise ArchiveError(
            f"profile of {model.artifact_name}: found signals {', '.join(profile.signals)}, "
            f"expected {', '.join(pipeline.signal_names)}; build the bundle again with this version"
        )
    classes, found = class_count(model.bundle.artifact(model.artifact_name)), profile.class_prior.size
    if found not in (0, classes):
        raise ArchiveError(
            f"profile of {model.artifact_name}: found {found} classes, expected {classes}; build the bundle again"
        )
