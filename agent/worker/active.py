"""The active worker: runs the source's frames through the model in charge and tells the supervisor what it sees."""

from __future__ import annotations

import logging
from random import Random

from agent.ipc import (
    Configure,
    DeliverSamples,
    EvidenceOn,
    Feedback,
    FrameIn,
    Heartbeat,
    Message,
    ResetDrift,
    RestoreAdaptation,
    RestoreDrift,
    SamplesOn,
    ShadowOn,
    Snapshot,
    SourceEnded,
    UndoAdaptation,
    WipeSamples,
)
from agent.memory import release_unused, resident_kb
from agent.worker.adaptation.opening import guard_or_reason
from agent.worker.engine_report import mean_steps, ready
from agent.worker.errors import SourceError
from agent.worker.link import SupervisorLink
from agent.worker.model_health import open_health
from agent.worker.opened_model import OpenedModel, open_configured
from agent.worker.outgoing import Outgoing
from agent.worker.pacing import Pacer, RateLimit
from agent.worker.pipeline import MonotonicNs
from agent.worker.samples import Deviation, Sample, SampleRing
from agent.worker.sources import Restarting, Surroundings, configured_source
from agent.worker.sources.mqtt_frames import MqttFrames
from agent.worker.stream import FrameOutcome, open_stream
from agent.worker.trial import Shadowed
from edge_models.errors import ArchiveError
from edge_models.wire.predictions import SampleReason

log = logging.getLogger(__name__)

LEAVE_NS = 500_000_000  # for frames by topic that wait when it is told to stop


class Active:
    """Runs the configured source through the configured model.

    Args:
        configure: What to run.
        link: To the supervisor.
        now_s: Monotonic time of the start.
        clock_ns: For latencies.
        rng: For the choice of samples.
        cpu_ns: Processor time of this thread, which is what the model costs on a busy machine, too.
        model: What a worker on standby has loaded, and told of; None to load it here.

    Raises:
        BundleError: The bundle is not what its manifest says.
        EngineError: No runtime here runs the artifact.
        DetectorError: The drift section names what does not exist.
    """

    def __init__(
        self,
        configure: Configure,
        link: SupervisorLink,
        *,
        now_s: float,
        clock_ns: MonotonicNs,
        rng: Random,
        cpu_ns: MonotonicNs | None = None,
        model: OpenedModel | None = None,
    ) -> None:
        self._link = link
        self._now_s = now_s
        self._boot = configure.boot
        self._model = open_configured(configure) if model is None else model
        manifest = self._model.bundle.manifest
        guard, unadaptable = guard_or_reason(configure.adaptation, self._model.bundle.artifact(configure.artifact))
        around = Surroundings(tell=link.send, now_s=lambda: clock_ns() / 1e9, rng=rng, was_down=configure.source_down)
        self._source = configured_source(configure, manifest.input, manifest.labels, around)
        rate_hz = None if self._source is None else self._source.rate_hz
        self._stream = open_stream(
            self._model,
            configure.drift,
            clock_ns,
            first_seq=configure.position,
            gating=configure.gating,
            guard=guard,
            rate_hz=rate_hz,
            cpu_ns=cpu_ns,
        )
        self._health, self._golden = open_health(self._model, is_exact=configure.hold_codes == 0)
        if model is not None:
            self._golden.proven(now_s)
        self._clock_ns = clock_ns
        self._outgoing = Outgoing(link, artifact=configure.artifact, source=manifest.input.source)
        self._idle_position = configure.position
        self._pacer = None if rate_hz is None else Pacer(rate_hz=rate_hz, start_s=now_s)
        self._predictions = RateLimit(rate_hz=configure.predictions_hz)
        self._shadow: Shadowed | None = None
        self._samples = SampleRing(
            rate_hz=configure.samples.rate_hz,
            most_bytes=configure.samples.ring_bytes,
            rng=rng,
            deviation=None if self._model.profile is None else Deviation(self._model.profile),
        )
        self._snapshot = False
        self._end_told = False
        self._frames_waiting = False
        self._refused = 0
        if model is None:
            release_unused()
            link.send(ready(self._model, unadaptable))

    @property
    def due_s(self) -> float | None:
        """When the next frame is to be taken, or the next sample may leave."""
        times_s = [due_s for due_s in (self._frame_due_s, self._samples.due_s) if due_s is not None]
        return min(times_s, default=None)

    @property
    def _frame_due_s(self) -> float | None:
        if self._source is None or self._end_told:
            return None
        if self._pacer is not None:
            return self._pacer.due_s
        return 0.0 if self._frames_waiting else None

    def heartbeat(self) -> Heartbeat:
        """How far it has come."""
        return Heartbeat(
            position=self._position,
            mark=self._source.mark if isinstance(self._source, Restarting) else "",
            seq=self._stream.frames,
            refused=self._refused,
            held=self._stream.held,
            runtime=self._model.engine.runtime,
            executor=self._model.engine.executor,
            mean_steps=mean_steps(self._model.engine),
            adapted_rev=None if self._stream.guard is None else self._stream.guard.rev,
            stages=self._stream.stages.encoded(),
            rss_kb=resident_kb(),
            health=self._health.figures(self._golden.ok),
        )

    def handle(self, message: Message, body: bytes) -> None:
        """Take a message of the supervisor."""
        match message:
            case FrameIn(origin="mqtt"):
                self._push(message, body)
            case ShadowOn():
                self._shadow = Shadowed.of(self._model, rate_hz=message.rate_hz) if message.on else None
            case SamplesOn() | DeliverSamples() | WipeSamples():
                self._sampling(message)
            case EvidenceOn() | ResetDrift() | RestoreDrift():
                self._drift(message, body)
            case Snapshot():
                self._snapshot = True
            case Feedback():
                self._feedback(message)
            case RestoreAdaptation() | UndoAdaptation():
                self._adapt(message, body)
            case _:
                log.warning("worker ignored message type=%s", message.type)

    def work(self, now_s: float) -> None:
        """Take one frame from the source and run it, if one is due, and let samples leave that were asked for.

        Raises:
            EngineError: The runtime gave up on the model.
            StuckSourceError: The driver of the source hangs.
        """
        for sample in self._samples.take(now_s):
            self._outgoing.sample(sample, self._samples.signal)
        frame_due_s = self._frame_due_s
        if self._source is None or frame_due_s is None or frame_due_s > now_s:
            return
        if self._pacer is not None:
            self._pacer.advance(now_s)
        frame = self._source.read()
        if frame is None:
            self._frames_waiting = False
            self._tell_end()
            return
        self._now_s = now_s
        if self._shadow is not None:
            self._shadow.see(frame.x)
        outcome = self._stream.step(frame, now_s)
        if outcome is not None:
            if not outcome.result.held:
                self._health.add(outcome.result)
            self._tell(outcome, now_s)
        self._golden.step(now_s)

    def leave(self) -> None:
        """Run the frames that wait, and tell what a later worker needs: this one was told to stop."""
        until_ns = self._clock_ns() + LEAVE_NS
        while self._frames_waiting and self._clock_ns() < until_ns:
            self.work(self._now_s)
        self._outgoing.drift_state(self._stream.unsaved(at_once=True))

    def close(self) -> None:
        """Close the source and unload the model."""
        if self._source is not None:
            self._source.close()
        self._model.engine.close()

    @property
    def _position(self) -> int:
        return self._idle_position if self._source is None else self._source.position

    def _push(self, message: FrameIn, body: bytes) -> None:
        if not isinstance(self._source, MqttFrames):
            return
        try:
            self._source.push(message, body)
            self._frames_waiting = True
        except SourceError as exc:
            self._refuse(str(exc))

    def _refuse(self, reason: str) -> None:
        self._refused += 1
        if self._refused == 1:  # once: a source that is wrong is wrong at every frame
            log.warning("worker refused: %s", reason)

    def _feedback(self, message: Feedback) -> None:
        boot, _, seq = message.id.partition("-")
        if boot == str(self._boot) and seq.isdecimal():
            outcome = self._stream.feedback(int(seq), message.label, self._position)
            self._outgoing.alarms(outcome.alarms)
            self._outgoing.change(outcome.change, self._stream.guard)
            if outcome.refused is not None:
                self._refuse(outcome.refused)

    def _sampling(self, message: SamplesOn | DeliverSamples | WipeSamples) -> None:
        match message:
            case SamplesOn(on=on, budget_left=budget, signal=signal, drifting=drifting):
                self._samples.switch(on=on, budget=budget, signal=signal, drifting=drifting)
            case DeliverSamples(n=n):
                self._samples.deliver(n)
            case WipeSamples():
                self._samples.wipe()

    def _drift(self, message: EvidenceOn | ResetDrift | RestoreDrift, body: bytes) -> None:
        match message:
            case EvidenceOn():
                self._stream.collect_evidence(on=message.on)
            case ResetDrift():
                self._stream.reset_drift(learn=message.learn, forget=message.forget)
            case RestoreDrift() if self._stream.trigger is not None:
                self._stream.trigger.restore(message.kind, body, self._now_s)

    def _adapt(self, message: RestoreAdaptation | UndoAdaptation, body: bytes) -> None:
        guard = self._stream.guard
        if guard is None:
            return
        if isinstance(message, UndoAdaptation):
            self._outgoing.change(guard.undo(), guard)
            return
        try:
            guard.restore(body)
        except ArchiveError as exc:  # of another version, or damaged: the artifact runs un-adapted
            log.warning("worker starts un-adapted: %s", exc)

    def _tell_end(self) -> None:
        if self._source is not None and self._source.ended and not self._end_told:
            self._end_told = True
            self._link.send(SourceEnded(position=self._source.position))

    def _tell(self, outcome: FrameOutcome, now_s: float) -> None:
        self._outgoing.alarms(outcome.alarms)
        if outcome.window is not None:
            self._link.send(outcome.window)
        if outcome.verdict is not None:
            self._link.send(outcome.verdict)
        self._outgoing.drift_state(self._stream.unsaved())
        result = outcome.result
        if self._snapshot:
            self._snapshot = False
            self._outgoing.sample(Sample(outcome=outcome, why=SampleReason.OPERATOR), self._samples.signal)
        if result.refused is not None:
            self._refuse(result.refused)
            return
        if self._predictions.allows(now_s):
            self._outgoing.prediction(outcome)
        if self._shadow is not None and not result.held and self._shadow.wants(now_s):
            self._outgoing.shadow(outcome, self._shadow)
        self._samples.keep(outcome)
