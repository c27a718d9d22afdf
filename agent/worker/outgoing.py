"""What leaves the active worker: its outcomes as messages of ``agent.ipc``. No decisions here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from agent.ipc import MAX_BODY_BYTES, Adapted, Alarm, DriftSaved, PredictionOut, SampleOut, ShadowFrame
from agent.worker.adaptation.guard import Change, Guard
from agent.worker.drift import port
from agent.worker.drift.saved import Kind
from agent.worker.link import SupervisorLink
from agent.worker.samples import Sample
from agent.worker.stream import FrameOutcome
from agent.worker.trial import Shadowed
from edge_models.tensors import DTYPE_BYTES, Dtype, TensorSpec


class Outgoing:
    """Sends.

    Args:
        link: To the supervisor.
        artifact: What runs.
        source: One frame as the manifest says, for frames in a dtype that messages do not name.
    """

    def __init__(self, link: SupervisorLink, *, artifact: str, source: TensorSpec) -> None:
        self._link = link
        self._artifact = artifact
        self._source = source

    def alarms(self, alarms: tuple[port.Alarm, ...]) -> None:
        """Detectors saw changes."""
        for alarm in alarms:
            self._link.send(
                Alarm(position=alarm.position, signal=alarm.signal, detector=alarm.detector, value=alarm.value)
            )

    def drift_state(self, states: Sequence[tuple[Kind, bytes]]) -> None:
        """What a later worker needs to go on watching."""
        for kind, body in states:
            self._link.send(DriftSaved(kind=kind), body)

    def change(self, change: Change | None, guard: Guard | None) -> None:
        """Other weights correct predictions from now on; with them goes what a later worker needs."""
        if change is None or guard is None:
            return
        message = Adapted(
            artifact=self._artifact,
            rev=change.rev,
            why=change.why,
            labels=change.labels,
            accuracy=change.accuracy,
            unadapted=change.unadapted,
        )
        self._link.send(message, guard.save())

    def prediction(self, outcome: FrameOutcome) -> None:
        """What is said about a frame; lost without regret."""
        message = PredictionOut(
            position=outcome.frame.position,
            seq=outcome.seq,
            label=outcome.told.predicted,
            confidence=outcome.told.confidence,
            latency_us=None if outcome.result.held else outcome.result.times.latency_us,
        )
        self._link.send(message, droppable=True)

    def shadow(self, outcome: FrameOutcome, figures: Shadowed) -> None:
        """A copy for a candidate, with the artifact's own answer: two bundles are compared, not what was learnt."""
        input_of = figures.input()
        x = None if input_of is None else self._portable(input_of)
        if x is None:
            return
        figures.add(outcome.result)
        message = ShadowFrame(
            position=outcome.frame.position,
            label=outcome.result.predicted,
            seq=outcome.seq,
            effect=figures.effect,
            p95_us=figures.p95_us,
            dtype=_dtype(x),
            shape=x.shape,
        )
        self._link.send(message, x.tobytes(), droppable=True)

    def sample(self, sample: Sample, signal: str | None) -> None:
        """An input worth a label, with the artifact's own answer."""
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
            signal=signal,
        )
        self._link.send(message, x.tobytes())

    def _portable(self, x: NDArray[Any]) -> NDArray[Any] | None:
        """The frame in a dtype that messages can name; None when it is too large to leave."""
        portable = x if x.dtype.name in DTYPE_BYTES else x.astype(self._source.dtype)
        portable = portable.astype(portable.dtype.newbyteorder("="), copy=False)
        return np.ascontiguousarray(portable) if portable.nbytes <= MAX_BODY_BYTES else None


def _dtype(x: NDArray[Any]) -> Dtype:
    return cast("Dtype", x.dtype.name)
