"""When drift is real enough to ask for another model. The agent and the offline ``replay`` run this same code.

The states and moves are a table (``agent.core.request_table``); this file sees the signs in alarms and verdicts:

    DIFFERS    FROM_START verdicts in a row over the limit without any alarm
    CONFIRMED  ``confirm_verdicts`` in a row over it, all their frames after the alarm
    CALM       CALM in a row within it, and no alarm between them; or as many windows without alarm, where the bundle
               has no profile and so there are no verdicts
    QUIET      QUIET in a row far within it: half the limit, or what luck alone exceeds in 10 %
    ASK        confirmed, over in this verdict, and nothing speaks against it (``agent.core.obstacle``)

What counts as over is in ``agent.core.severity``. A request is followed by a cool-down that doubles with every further
one until a bundle is committed. A drift that went away by itself after a request, or whose request was dismissed, is
remembered by its fingerprint: it is asked about again only when it was there, or away, for a pause of twice the
cool-down, and each time that it comes and goes within the pause doubles it. So a night that nobody retrains for leads
to one request, not to one a day. One that the operator called benign never leads to any.

A bundle that answers the device's own request was made for the input that this device has now, while its profile may
still speak of the original data. So after such a commit the worker learns the present input as a context ``answered``,
as ``cmd/rebaseline`` does by hand: a cured device does not ask again, and a further change still counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from agent import ipc
from agent.core.fingerprint import (
    MIN_NORM,
    Fingerprint,
    blended,
    known_as,
    norm,
    remembered,
    shift_of,
    with_fingerprint,
)
from agent.core.obstacle import obstacle
from agent.core.pause import pause_of
from agent.core.records import Now
from agent.core.request_outputs import CloseRequest, OpenRequest, PolicyOutput, PolicySettings, StateChanged
from agent.core.request_record import PolicyRecord, RequestRecord
from agent.core.request_table import Act, Sign, is_legal, next_step
from agent.core.severity import Measured, measured
from edge_models.wire.telemetry import DriftState
from edge_models.wire.update import ModelRequest, RequestReason

__all__ = ["ARRIVAL", "VERDICT", "PolicySettings", "RequestPolicy"]

FROM_START = 4
CALM = 3
QUIET = 2
MOST_DOUBLINGS = 5  # a month of days, for a cool-down of one
ARRIVAL = "arrival"  # the detector of a device that never was like its reference
VERDICT = "verdict"  # the detector where only verdicts said anything
ANSWERED = "answered"  # the context that is learnt after an answer
REBASELINED = "rebaselined"  # the context of a rebaseline without a name


_DRIFTING = (DriftState.SUSPECT, DriftState.CONFIRMED, DriftState.REQUESTED)
_WHY = {Sign.QUIET: "recovered"}


class _Cause(NamedTuple):
    signal: str | None = None
    severity: float | None = None
    detector: str | None = None


_NO_CAUSE = _Cause()


@dataclass(slots=True)
class RequestPolicy:
    """One device's episodes of drift.

    Args:
        settings: How careful to be.
        new_id: Gives an id that no other request of the fleet has.

    Attributes:
        state: How far the episode has come.
        request: Id of the open request.
        record: Everything else that must survive a restart.
        known: The drift seen before that the present one is like.
        waits_for: Why a confirmed drift leads to no request.
    """

    settings: PolicySettings
    new_id: Callable[[], str]
    state: DriftState = DriftState.OK
    request: str | None = None
    record: PolicyRecord = field(default_factory=PolicyRecord)
    known: Fingerprint | None = None
    waits_for: str | None = None
    _after: int = -1  # only verdicts whose first frame comes later count

    @property
    def is_answered(self) -> bool:
        """Whether an answer to the request is being installed."""
        return self.state is DriftState.REQUESTED and self.request is None

    def restore(self, kept: RequestRecord, now: Now) -> None:
        """Take up an episode after a start; positions begin anew with it."""
        self.state = next_step(kept.state, Sign.RESTARTED).state
        self.request = None if kept.request is None else kept.request.id
        known = tuple(replace(each, pause=each.pause and each.pause.resumed(now)) for each in kept.policy.fingerprints)
        self.record = replace(kept.policy, pause=kept.policy.pause.resumed(now), fingerprints=known)
        self.known = known_as(self.record.shift, known) if self.state is not DriftState.OK else None
        self._after = -1

    def kept(self, request: ModelRequest | None) -> RequestRecord:
        """What ``restore`` takes."""
        return RequestRecord(state=self.state, request=request, policy=self.record)

    def on_alarm(self, alarm: ipc.Alarm, now: Now) -> list[PolicyOutput]:
        """A detector saw a change at a frame."""
        self.record = replace(self.record, calm=0)
        return self._move(Sign.ALARM, alarm.position, now, _Cause(alarm.signal, detector=alarm.detector))

    def on_verdict(self, verdict: ipc.Verdict, now: Now) -> list[PolicyOutput]:
        """A verdict was closed; one of few frames, or on frames from before the alarm, is passed over."""
        if verdict.start <= self._after or verdict.is_learning or self.is_answered:
            return []  # while an answer is tried, verdicts may be of either bundle
        self.record = replace(self.record, learning=None)  # it has ended, or cannot be done
        weighed = measured(verdict)
        if weighed is None or weighed.is_undecided:
            return []
        self._count(weighed, verdict)
        return self._advance(weighed, verdict, now)

    def on_unmeasured(self, position: int, now: Now) -> list[PolicyOutput]:
        """A window of a bundle without profile: all that can be said is that no alarm came."""
        self.record = replace(self.record, learning=None)  # there is nothing to learn it for
        if self.state not in (DriftState.SUSPECT, DriftState.RECOVERED):
            return []
        self.record = replace(self.record, calm=self.record.calm + 1)
        return self._move(Sign.CALM, position, now) if self.record.calm >= CALM else []

    def on_commit(self, position: int, now: Now) -> list[PolicyOutput]:
        """Another bundle was committed: the episode is over, and its reference with it."""
        learning = ANSWERED if self.is_answered else None
        outputs = self._move(Sign.COMMITTED, position, now)
        self.record = replace(self.record, learning=learning, has_matched=False)
        self._after = position
        return outputs

    def on_answer(self, request: str, position: int, now: Now) -> list[PolicyOutput]:
        """A bundle that answers the request is being installed; the episode itself goes on."""
        return self._move(Sign.ANSWERED, position, now) if self.request == request else []

    def on_answer_failed(self, position: int, now: Now) -> list[PolicyOutput]:
        """The answer was no good here: another request may follow, after the cool-down."""
        return self._move(Sign.UNANSWERED, position, now) if self.is_answered else []

    def dismiss(self, position: int, now: Now) -> list[PolicyOutput]:
        """The operator wants no model for this."""
        return self._move(Sign.DISMISSED, position, now)

    @property
    def can_be_named(self) -> bool:
        """Whether there is a drift, with a direction, that could be called benign."""
        return is_legal(self.state, Sign.BENIGN) and norm(self.record.shift) >= MIN_NORM

    def call_benign(self, name: str, position: int, now: Now) -> list[PolicyOutput]:
        """The operator says that the present drift is harmless whenever it comes."""
        return self._move(Sign.BENIGN, position, now, name=name)

    def forget(self, name: str) -> bool:
        """Drop a fingerprint; whether there was one of this name."""
        left = tuple(each for each in self.record.fingerprints if each.name != name)
        found = len(left) < len(self.record.fingerprints)
        self.record = replace(self.record, fingerprints=left)
        self.known = known_as(self.record.shift, left) if self.state is not DriftState.OK else None
        return found

    def rebaseline(self, position: int, now: Now, *, name: str | None = None) -> list[PolicyOutput]:
        """The worker learns the present input as a context; until it has, its verdicts do not count."""
        outputs = self._move(Sign.REBASELINED, position, now)
        self.record = replace(self.record, learning=name or REBASELINED, has_matched=True)
        self._after = position
        return outputs

    def on_learnt(self) -> None:
        """The worker knows the context."""
        self.record = replace(self.record, learning=None)

    def _count(self, weighed: Measured, verdict: ipc.Verdict) -> None:
        """Counts stop where they decide nothing more, so that calm writes nothing to the disk."""
        record, most = self.record, max(FROM_START, self.settings.confirm_verdicts)
        self.record = replace(
            record,
            over=min(record.over + 1, most) if weighed.is_over else 0,
            calm=min(record.calm + 1, CALM) if not weighed.is_over else 0,
            quiet=min(record.quiet + 1, QUIET) if weighed.is_quiet else 0,
            has_matched=record.has_matched or not weighed.is_over,
        )
        if weighed.is_over and self.state is not DriftState.OK:
            self.record = replace(self.record, signal=weighed.signal, shift=blended(record.shift, shift_of(verdict)))

    def _advance(self, weighed: Measured, verdict: ipc.Verdict, now: Now) -> list[PolicyOutput]:
        record, state = self.record, self.state
        cause = _Cause(weighed.signal, weighed.effect)
        if state in (DriftState.OK, DriftState.RECOVERED) and record.over >= FROM_START:
            return self._move(Sign.DIFFERS, verdict.position, now, cause._replace(detector=VERDICT))
        if state in (DriftState.SUSPECT, DriftState.RECOVERED) and record.calm >= CALM:
            return self._move(Sign.CALM, verdict.position, now, cause)
        if state in (DriftState.CONFIRMED, DriftState.REQUESTED) and record.quiet >= QUIET:
            return self._move(Sign.QUIET, verdict.position, now, cause)
        outputs: list[PolicyOutput] = []
        if state is DriftState.SUSPECT and record.over >= self.settings.confirm_verdicts:
            detector = ARRIVAL if record.on_arrival else record.detector
            outputs = self._move(Sign.CONFIRMED, verdict.position, now, cause._replace(detector=detector))
        if self.state is not DriftState.CONFIRMED or not weighed.is_over:
            return outputs
        self.known = known_as(self.record.shift, self.record.fingerprints)
        self.waits_for = obstacle(self.known, verdict, self.record.pause, now)
        return outputs if self.waits_for else [*outputs, *self._move(Sign.ASK, verdict.position, now, cause)]

    def _move(
        self, sign: Sign, position: int, now: Now, cause: _Cause = _NO_CAUSE, *, name: str = ""
    ) -> list[PolicyOutput]:
        before, step = self.state, next_step(self.state, sign)
        self.state = step.state
        self.waits_for = self.waits_for if step.state is DriftState.CONFIRMED else None
        closed, opened = list[PolicyOutput](), list[PolicyOutput]()
        for act in step.acts:
            if act is Act.OPEN:
                opened = [self._open(position, now, cause)]
            elif act is Act.CLOSE:
                closed = self._close(_WHY.get(sign, sign.value))
            else:
                self._note(act, before, sign, position, now, name)
        if before is step.state:
            return [*closed, *opened]
        detector = cause.detector or self.record.detector
        if step.state in _DRIFTING:
            self.record = replace(self.record, signal=cause.signal or self.record.signal, detector=detector)
        about = StateChanged(state=step.state, sign=sign, position=position, detector=detector)
        return [*closed, replace(about, signal=cause.signal, severity=cause.severity), *opened]

    def _note(self, act: Act, before: DriftState, sign: Sign, position: int, now: Now, name: str) -> None:
        match act:
            case Act.BEGIN:
                self._begin(position)
            case Act.REMEMBER:
                self._remember(before, sign, now)
            case Act.NAME:
                self._name(name)
            case Act.FORGET:
                benign = tuple(each for each in self.record.fingerprints if each.benign)
                self.record = replace(self.record, fingerprints=benign, asked=0)
            case Act.END:
                self._end()
            case Act.OPEN | Act.CLOSE:
                raise ValueError(f"{act.value} says something, so _move does it")

    def _close(self, why: str) -> list[PolicyOutput]:
        request, self.request = self.request, None
        return [] if request is None else [CloseRequest(id=request, why=why)]

    def _begin(self, position: int) -> None:
        self._after, self.known = position, None
        self.record = replace(
            self.record, over=0, calm=0, quiet=0, shift="", on_arrival=not self.record.has_matched, detector=None
        )

    def _open(self, position: int, now: Now, cause: _Cause) -> OpenRequest:
        record, self.request = self.record, self.new_id()
        length_s = self._base_s * 2 ** min(record.asked, MOST_DOUBLINGS)
        self.record = replace(record, asked=record.asked + 1, pause=pause_of(length_s, now))
        reason, signal, severity = RequestReason.DRIFT, cause.signal, cause.severity
        return OpenRequest(id=self.request, reason=reason, position=position, signal=signal, severity=severity)

    def _name(self, name: str) -> None:
        named = Fingerprint(name=name, benign=True, shift=self.record.shift)
        self.record = replace(self.record, fingerprints=with_fingerprint(self.record.fingerprints, named))
        self.known, self.waits_for = named, "benign" if self.state is DriftState.CONFIRMED else None

    def _end(self) -> None:
        record, is_over = self.record, self.state is DriftState.OK
        shift = "" if is_over else record.shift  # what has just gone may still be called benign
        record = replace(record, detector=None, signal=None, on_arrival=False)
        self.record = replace(record, over=0, calm=0, quiet=0, shift=shift)
        self.known = None if is_over else self.known

    def _remember(self, before: DriftState, sign: Sign, now: Now) -> None:
        record, known = self.record, self.known or known_as(self.record.shift, self.record.fingerprints)
        if known is not None or before is DriftState.REQUESTED or sign is Sign.DISMISSED:
            most_s = self._base_s * 2**MOST_DOUBLINGS
            fingerprints = remembered(record.shift, record.fingerprints, known, self._base_s, most_s, now)
            self.record = replace(record, fingerprints=fingerprints)

    @property
    def _base_s(self) -> float:
        return self.settings.cooldown_s
