"""Writes down an episode of drift as it goes, for ``driftline-agent explain``. It decides nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from agent import ipc
from agent.core.episode_record import MAX_POINTS, MAX_STEPS, EpisodePoint, EpisodeRecord, EpisodeStep
from agent.core.records import ActiveRecord
from agent.core.request_outputs import CloseRequest, OpenRequest, PolicyOutput, StateChanged
from agent.core.request_policy import RequestPolicy
from agent.core.severity import Measured, measured
from edge_models.wire.telemetry import DriftLevel, DriftState
from edge_models.wire.values import Timestamp

BEFORE = 8  # verdicts from before the episode, so that its beginning can be seen
STORE_EVERY = 8  # points
MAX_NAMES = 32
_BEGINS = DriftState.SUSPECT
_GOING = (DriftState.SUSPECT, DriftState.CONFIRMED, DriftState.REQUESTED)
_LEVELS = tuple(DriftLevel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """When and on which start something happened, and what ran."""

    ts: Timestamp | None
    up: float
    boot: int
    device: str
    model: str
    active: ActiveRecord | None


@dataclass(slots=True, kw_only=True)
class EpisodeHistory:
    """The story so far.

    Attributes:
        record: Of the present episode or else of the last one; None before the first.
        kept: What was last to be stored.
    """

    record: EpisodeRecord | None = None
    kept: EpisodeRecord | None = None
    _before: list[EpisodePoint] = field(default_factory=list)
    _unstored: int = 0

    def on_outputs(self, outputs: list[PolicyOutput], policy: RequestPolicy, stamp: Stamp, position: int) -> None:
        """The policy said something."""
        closed = next((output for output in outputs if isinstance(output, CloseRequest)), None)
        changes = any(isinstance(output, StateChanged) for output in outputs)
        note = "" if closed is None else f"request {closed.id} closed: {closed.why}"
        if closed is not None and not changes and self.record is not None:
            self._add(replace(self._step(closed.why, self.record.state, position, stamp), note=note))
        for output in outputs:
            match output:
                case StateChanged():
                    self._on_changed(output, stamp, note)
                case OpenRequest(id=request) if self.record is not None:
                    self.record = replace(self.record, request=request)
                case _:
                    pass
        if self.record is None or (not outputs and self.record.state not in _GOING):
            return
        known = policy.known
        self.record = replace(
            self.record,
            known=self.record.known if known is None else known.name,
            benign=known.benign if known is not None else self.record.benign,
            waits_for=policy.waits_for,
            detector=policy.record.detector or self.record.detector,
            on_arrival=policy.record.on_arrival or self.record.on_arrival,
        )

    def on_verdict(self, verdict: ipc.Verdict, policy: RequestPolicy, stamp: Stamp) -> None:
        """A verdict was closed, and the policy has heard of it."""
        weighed = measured(verdict)
        if weighed is None:
            return
        point = _point(verdict, weighed, policy.state, stamp)
        self._before = [*self._before, point][-BEFORE:]
        record = self.record
        if record is None or record.state not in (*_GOING, DriftState.RECOVERED):
            return
        n = record.verdicts + 1
        points, every = record.points, record.every
        if n % every == 0:
            points = (*points, point)
            self._unstored += 1
        if len(points) > MAX_POINTS:
            points, every = points[::2], 2 * every
        is_worst = weighed.is_over and weighed.effect >= max(record.effects.values(), default=0.0)
        self.record = replace(
            record,
            verdicts=n,
            every=every,
            points=points,
            thin=verdict.thin,
            commissioned=verdict.commissioned,
            changed_at=verdict.changed_at if record.changed_at is None and weighed.is_over else record.changed_at,
            accuracy_reference=verdict.accuracy_reference or record.accuracy_reference,
            faults=dict(Counter(record.faults) + Counter(verdict.faults)),
            level=_worse(record.level, weighed.level) if weighed.is_over else record.level,
            effects=_largest(verdict.effects) if is_worst else record.effects,
            signature=_largest(verdict.signature) if is_worst else record.signature,
            attribution=_largest(verdict.attribution) if is_worst or not record.attribution else record.attribution,
        )

    def to_store(self, *, changed: bool) -> EpisodeRecord | None:
        """The record when it is time to make it durable; a suspicion does not take the place of a real episode."""
        record = self.record
        if record is None or record == self.kept or not (changed or self._unstored >= STORE_EVERY):
            return None
        if not _was_confirmed(record) and self.kept is not None and _was_confirmed(self.kept):
            return None
        self.kept, self._unstored = record, 0
        return record

    def _on_changed(self, change: StateChanged, stamp: Stamp, note: str) -> None:
        step = self._step(change.sign.value, change.state, change.position, stamp)
        severity = None if change.severity is None else round(change.severity, 3)
        step = replace(step, signal=change.signal, detector=change.detector, severity=severity, note=note)
        if change.state is _BEGINS or self.record is None:
            self._begin(change, stamp)
        self._add(step)

    def _begin(self, change: StateChanged, stamp: Stamp) -> None:
        active = stamp.active
        self._unstored = 0
        self.record = EpisodeRecord(
            device=stamp.device,
            model=stamp.model,
            bundle=None if active is None else active.bundle,
            artifact="" if active is None else active.artifact,
            state=change.state,
            detector=change.detector,
            verdicts=len(self._before),
            points=tuple(self._before),
        )

    def _step(self, sign: str, state: DriftState, position: int, stamp: Stamp) -> EpisodeStep:
        return EpisodeStep(sign=sign, state=state, position=max(0, position), boot=stamp.boot, ts=stamp.ts, up=stamp.up)

    def _add(self, step: EpisodeStep) -> None:
        """Keep the first half and the newest steps of an episode that has too many."""
        if self.record is None:
            return
        steps = (*self.record.steps, step)
        if len(steps) > MAX_STEPS:
            steps = (*steps[: MAX_STEPS // 2], *steps[-(MAX_STEPS // 2) :])
        self.record = replace(self.record, steps=steps, state=step.state)


def _was_confirmed(record: EpisodeRecord) -> bool:
    return any(step.state is DriftState.CONFIRMED for step in record.steps)


def _worse(one: DriftLevel | None, other: DriftLevel) -> DriftLevel:
    return other if one is None else max(one, other, key=_LEVELS.index)


def _largest(values: Mapping[str, float]) -> dict[str, float]:
    kept = sorted(values.items(), key=lambda item: -abs(item[1]))[:MAX_NAMES]
    return {name: round(value, 3) for name, value in kept}


def _point(verdict: ipc.Verdict, weighed: Measured, state: DriftState, stamp: Stamp) -> EpisodePoint:
    return EpisodePoint(
        position=verdict.position,
        boot=stamp.boot,
        ts=stamp.ts,
        up=stamp.up,
        state=state,
        n_effective=verdict.n_effective,
        effect=round(weighed.effect, 3),
        limit=round(weighed.limit, 3),
        signal=weighed.signal,
        context=verdict.context,
        class_effect=_rounded(verdict.class_effect),
        accuracy=_rounded(verdict.accuracy),
        accuracy_low=_rounded(verdict.accuracy_low),
        accuracy_high=_rounded(verdict.accuracy_high),
        labelled_accuracy=_rounded(verdict.labelled_accuracy),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
