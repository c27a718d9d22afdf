"""The active worker: runs the source's frames through the model in charge and tells the supervisor what it sees."""

from __future__ import annotations

import logging
from pathlib import Path
from random import Random
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from agent.ipc import (
    MAX_BODY_BYTES,
    Alarm,
    Configure,
    EvidenceOn,
    Feedback,
    FrameIn,
    Heartbeat,
    Message,
    PredictionOut,
    ResetDrift,
    SampleOut,
    SamplesOn,
    ShadowFrame,
    ShadowOn,
    Snapshot,
    SourceEnded,
)
from agent.memory import release_unused
from agent.worker.drift import port
from agent.worker.errors import SourceError
from agent.worker.link import SupervisorLink
from agent.worker.pacing import Pacer, RateLimit
from agent.worker.pipeline import MonotonicNs
from agent.worker.samples import Sample, SampleChooser
from agent.worker.sources import open_source
from agent.worker.sources.mqtt_frames import MqttFrames
from agent.worker.sources.port import Source
from agent.worker.stream import FrameOutcome, open_model, open_stream, ready
from edge_models.tensors import DTYPE_BYTES, Dtype
from edge_models.wire.telemetry import SampleReason

log = logging.getLogger(__name__)


class Active:
    """Runs the configured source through the configured model.

    Args:
        configure: What to run.
        link: To the supervisor.
        now_s: Monotonic time of the start.
        clock_ns: For latencies.
        rng: For the choice of samples.

    Raises:
        BundleError: The bundle is not what its manifest says.
        EngineError: No runtime here runs the artifact.
        SourceError: The source cannot be opened.
        DetectorError: The drift section names what does not exist.
    """

    def __init__(
        self, configure: Configure, link: SupervisorLink, *, now_s: float, clock_ns: MonotonicNs, rng: Random
    ) -> None:
        self._link = link
        self._boot = configure.boot
        self._model = open_model(
            Path(configure.bundle_dir),
            configure.artifact,
            expected_id=configure.bundle,
            stream=configure.source is not None,
            hold_codes=configure.hold_codes,
        )
        manifest = self._model.bundle.manifest
        self._stream = open_stream(
            self._model, configure.drift, clock_ns, first_seq=configure.position, gating=configure.gating
        )
        self._source: Source | None = None
        if configure.source is not None:
            self._source = open_source(configure.source, manifest.input, manifest.labels, position=configure.position)
        self._spec = manifest.input.source
        self._idle_position = configure.position
        rate_hz = None if self._source is None else self._source.rate_hz
        self._pacer = None if rate_hz is None else Pacer(rate_hz=rate_hz, start_s=now_s)
        self._predictions = RateLimit(rate_hz=configure.predictions_hz)
        self._shadow: RateLimit | None = None
        self._samples = SampleChooser(rate_hz=configure.samples.rate_hz, rng=rng)
        self._snapshot = False
        self._end_told = False
        self._frames_waiting = False
        self._refused = 0
        release_unused()
        link.send(ready(self._model))

    @property
    def due_s(self) -> float | None:
        """When the next frame is to be taken."""
        if self._source is None or self._end_told:
            return None
        if self._pacer is not None:
            return self._pacer.due_s
        return 0.0 if self._frames_waiting else None

    def heartbeat(self) -> Heartbeat:
        """How far it has come."""
        return Heartbeat(
            position=self._position,
            seq=self._stream.frames,
            refused=self._refused,
            held=self._stream.held,
            executor=self._model.engine.executor,
        )

    def handle(self, message: Message, body: bytes) -> None:
        """Take a message of the supervisor."""
        match message:
            case FrameIn(origin="mqtt"):
                self._push(message, body)
            case ShadowOn():
                self._shadow = RateLimit(rate_hz=message.rate_hz) if message.on else None
            case SamplesOn():
                self._samples.switch(on=message.on, budget=message.budget_left, signal=message.signal)
            case EvidenceOn():
                self._stream.window.collect_evidence(on=message.on)
            case ResetDrift():
                self._stream.reset_drift()
            case Snapshot():
                self._snapshot = True
            case Feedback():
                self._feedback(message)
            case _:
                log.warning("worker ignored message type=%s", message.type)

    def work(self, now_s: float) -> None:
        """Take one frame from the source and run it.

        Raises:
            EngineError: The runtime gave up on the model.
            SourceError: The source cannot go on.
        """
        if self._source is None:
            return
        if self._pacer is not None:
            self._pacer.advance(now_s)
        frame = self._source.read()
        if frame is None:
            self._frames_waiting = False
            self._tell_end()
            return
        outcome = self._stream.step(frame, now_s)
        if outcome is not None:
            self._tell(outcome, now_s)

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
            log.warning("worker dropped a frame: %s", reason)

    def _feedback(self, message: Feedback) -> None:
        boot, _, seq = message.id.partition("-")
        if boot == str(self._boot) and seq.isdecimal():
            self._tell_alarms(self._stream.feedback(int(seq), message.label, self._position))

    def _tell_end(self) -> None:
        if self._source is not None and self._source.ended and not self._end_told:
            self._end_told = True
            self._link.send(SourceEnded(position=self._source.position))

    def _tell(self, outcome: FrameOutcome, now_s: float) -> None:
        self._tell_alarms(outcome.alarms)
        if outcome.window is not None:
            self._link.send(outcome.window)
        result = outcome.result
        if self._snapshot:
            self._snapshot = False
            self._send_sample(Sample(outcome=outcome, why=SampleReason.OPERATOR))
        if result.refused is not None:
            self._refuse(result.refused)
            return
        if self._predictions.allows(now_s):
            self._send_prediction(outcome)
        if self._shadow is not None and not result.held and self._shadow.allows(now_s):
            self._send_shadow(outcome)
        sample = self._samples.offer(outcome, now_s)
        if sample is not None:
            self._send_sample(sample)

    def _tell_alarms(self, alarms: tuple[port.Alarm, ...]) -> None:
        for alarm in alarms:
            self._link.send(
                Alarm(position=alarm.position, signal=alarm.signal, detector=alarm.detector, value=alarm.value)
            )

    def _send_prediction(self, outcome: FrameOutcome) -> None:
        result = outcome.result
        message = PredictionOut(
            position=outcome.frame.position,
            seq=outcome.seq,
            label=result.predicted,
            confidence=result.confidence,
            latency_us=result.times.latency_us,
        )
        self._link.send(message, droppable=True)

    def _send_shadow(self, outcome: FrameOutcome) -> None:
        x = self._portable(outcome.frame.x)
        if x is None:
            return
        message = ShadowFrame(
            position=outcome.frame.position,
            label=outcome.result.predicted,
            dtype=_dtype(x),
            shape=x.shape,
        )
        self._link.send(message, x.tobytes(), droppable=True)

    def _send_sample(self, sample: Sample) -> None:
        outcome = sample.outcome
        x = self._portable(outcome.frame.x)
        if x is None:
            return
        message = SampleOut(
            position=outcome.frame.position,
            seq=outcome.seq,
            why=sample.why,
            dtype=_dtype(x),
            shape=x.shape,
            predicted=outcome.result.predicted,
            confidence=outcome.result.confidence,
            signal=self._samples.signal,
        )
        self._link.send(message, x.tobytes())

    def _portable(self, x: NDArray[Any]) -> NDArray[Any] | None:
        """The frame in a dtype that messages can name; None when it is too large to leave."""
        portable = x if x.dtype.name in DTYPE_BYTES else x.astype(self._spec.dtype)
        portable = portable.astype(portable.dtype.newbyteorder("="), copy=False)
        return np.ascontiguousarray(portable) if portable.nbytes <= MAX_BODY_BYTES else None


def _dtype(x: NDArray[Any]) -> Dtype:
    return cast("Dtype", x.dtype.name)
