"""When drift is real enough to ask for another model. The agent and the offline ``replay`` run this same code.

    OK -> SUSPECT        an alarm; or FROM_START windows in a row over the threshold, for a device that differs from
                         its training data from the start, where a change detector has nothing to notice
    SUSPECT -> CONFIRMED ``confirm_windows`` windows in a row over the threshold, all their frames after the alarm
    SUSPECT -> OK        CALM windows in a row below it
    CONFIRMED -> REQUESTED  at once, or when the cool-down after the last request is over
    -> RECOVERED         two windows in a row below half the threshold; OK after CALM more below it

A bundle that answers the device's own request was made for the input that this device has now, while its profile still
speaks of the original data. So after such a commit the first two windows are taken as this device's normal, as
``cmd/rebaseline`` does by hand: a cured device does not ask again, and a further change still counts.

A window is over the threshold when the largest distance of a signal from the profile is. The distance is the
Kolmogorov-Smirnov statistic on the profile's 32 bins, and the threshold for k signals and n frames is

    max(0.1, c(k) / sqrt(n) + 0.05),   c(k) = sqrt(ln(2 k / 0.01) / 2)

c(1) = 1.63 is the usual critical value at 1 %; dividing the 1 % by k (Bonferroni) keeps the chance that any of k
signals exceeds it by luck. 0.05 allows for a profile that is itself an estimate and for neighbouring frames that
resemble each other; 0.1 because a smaller effect is not worth another model, however certain.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from edge_models.wire.telemetry import DriftState
from edge_models.wire.update import RequestReason

MIN_FRAMES = 50  # c(12) / sqrt(50) + 0.05 = 0.33: fewer frames could confirm only the grossest drift
FROM_START = 4
CALM = 3
RECOVERY_WINDOWS = 2
_MIN_EFFECT = 0.1
_MARGIN = 0.05
_LEVEL = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowFacts:
    """What the policy needs to know of a window.

    Attributes:
        start: Index of its first frame.
        position: Index of its last frame.
        n: Frames in it.
        effects: Distance of each signal from the profile, 0 to 1.
    """

    start: int
    position: int
    n: int
    effects: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChanged:
    """The episode moved on.

    Attributes:
        state: The new state.
        position: Index of the frame at which it did.
        signal: The signal with the largest effect, or the one that raised the alarm.
        detector: The detector that raised the alarm, or "window".
        severity: The largest effect; None before the first window.
    """

    state: DriftState
    position: int
    signal: str | None = None
    detector: str | None = None
    severity: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRequest:
    """Ask for a model; the id stays the same until the episode ends."""

    id: str
    reason: RequestReason
    position: int
    signal: str | None
    severity: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseRequest:
    """The request needs no answer any more."""

    id: str
    why: str  # recovered, committed, answered or dismissed


PolicyOutput = StateChanged | OpenRequest | CloseRequest


@dataclass(slots=True, kw_only=True)
class _Episode:
    state: DriftState = DriftState.OK
    request: str | None = None
    is_answered: bool = False  # a bundle that answers the request is being installed
    after: int = -1  # only windows whose first frame comes later count
    over: int = 0
    calm: int = 0
    quiet: int = 0
    detector: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySettings:
    """How careful to be."""

    confirm_windows: int = 2
    cooldown_s: float = 86400.0


@dataclass(slots=True)
class RequestPolicy:
    """One device's episodes of drift.

    Args:
        settings: How careful to be.
        new_id: Gives an id that no other request of the fleet has.
    """

    settings: PolicySettings
    new_id: Callable[[], str]
    cooldown_until_s: float | None = None
    baseline: dict[str, float] = field(default_factory=dict)
    _episode: _Episode = field(default_factory=_Episode)
    _learning: list[WindowFacts] | None = None

    @property
    def state(self) -> DriftState:
        """How far the episode has come."""
        return self._episode.state

    @property
    def request(self) -> str | None:
        """Id of the open request."""
        return self._episode.request

    @property
    def is_answered(self) -> bool:
        """Whether an answer to the request is being installed."""
        return self._episode.is_answered

    @property
    def is_learning(self) -> bool:
        """Whether the next windows are taken as this device's normal."""
        return self._learning is not None

    def restore(self, state: DriftState, request: str | None, *, is_learning: bool = False) -> None:
        """Take up an episode after a restart; one that had not led to a request starts anew."""
        self._learning = [] if is_learning else None
        if state is DriftState.REQUESTED:
            self._episode = _Episode(state=state, request=request, is_answered=request is None)

    def on_alarm(self, *, position: int, signal: str, detector: str) -> list[PolicyOutput]:
        """A detector saw a change at a frame."""
        if self._episode.state not in (DriftState.OK, DriftState.RECOVERED):
            return []
        self._episode = _Episode(state=DriftState.SUSPECT, after=position, detector=detector)
        return [StateChanged(state=DriftState.SUSPECT, position=position, signal=signal, detector=detector)]

    def on_window(self, window: WindowFacts, now_s: float) -> list[PolicyOutput]:
        """A window is full.

        Args:
            window: Its figures; one of few frames or without effects says nothing and is passed over.
            now_s: POSIX or monotonic seconds, for the cool-down; always the same of the two.
        """
        if window.n < MIN_FRAMES or not window.effects or window.start <= self._episode.after:
            return []
        if self._learning is not None:
            return self._learn(window)
        signal, severity = self._largest(window)
        limit = threshold(window.n, len(window.effects))
        self._count(severity, limit)
        return self._advance(window, signal, severity, now_s)

    def on_commit(self, position: int) -> list[PolicyOutput]:
        """Another bundle was committed: the episode is over, and its reference with it."""
        self.baseline = {}
        self._learning = [] if self._episode.is_answered else None
        return self._end(DriftState.OK, position, "committed")

    def on_answer(self, request: str) -> list[PolicyOutput]:
        """A bundle that answers the request is being installed; the episode itself goes on."""
        if self._episode.request != request:
            return []
        self._episode.request = None
        self._episode.is_answered = True
        return [CloseRequest(id=request, why="answered")]

    def on_answer_failed(self) -> bool:
        """The answer was no good here: another request may follow, after the cool-down. Whether that is new."""
        if self._episode.state is not DriftState.REQUESTED or self._episode.request is not None:
            return False
        self._episode.state = DriftState.CONFIRMED
        self._episode.is_answered = False
        return True

    def dismiss(self, position: int) -> list[PolicyOutput]:
        """The operator wants no model for this."""
        return self._end(DriftState.OK, position, "dismissed")

    def rebaseline(self, position: int) -> list[PolicyOutput]:
        """Take the next two windows as normal: from then on only what exceeds their effects counts."""
        self.baseline = {}
        self._learning = []
        return self._end(DriftState.OK, position, "dismissed")

    def _learn(self, window: WindowFacts) -> list[PolicyOutput]:
        learning = [*(self._learning or ()), window]
        self._learning = learning
        if len(learning) >= RECOVERY_WINDOWS:
            self.baseline = {
                name: sum(each.effects.get(name, 0.0) for each in learning) / len(learning) for name in window.effects
            }
            self._learning = None
        return []

    def _largest(self, window: WindowFacts) -> tuple[str, float]:
        excess = {name: max(0.0, effect - self.baseline.get(name, 0.0)) for name, effect in window.effects.items()}
        signal = max(excess, key=lambda name: excess[name])
        return signal, min(excess[signal], 1.0)

    def _count(self, severity: float, limit: float) -> None:
        episode = self._episode
        episode.over = episode.over + 1 if severity > limit else 0
        episode.calm = episode.calm + 1 if severity <= limit else 0
        episode.quiet = episode.quiet + 1 if severity < limit / 2 else 0

    def _advance(self, window: WindowFacts, signal: str, severity: float, now_s: float) -> list[PolicyOutput]:
        episode = self._episode
        match episode.state:
            case DriftState.OK | DriftState.RECOVERED if episode.over >= FROM_START:
                self._episode = _Episode(state=DriftState.SUSPECT, after=window.position, detector="window")
            case DriftState.RECOVERED if episode.calm >= CALM:
                self._episode = _Episode()
            case DriftState.SUSPECT if episode.calm >= CALM:
                self._episode = _Episode()
            case DriftState.SUSPECT if episode.over >= self.settings.confirm_windows:
                episode.state = DriftState.CONFIRMED
                return [self._changed(window.position, signal, severity), *self._ask(window, signal, severity, now_s)]
            case DriftState.CONFIRMED | DriftState.REQUESTED if episode.quiet >= RECOVERY_WINDOWS:
                return self._end(DriftState.RECOVERED, window.position, "recovered")
            case DriftState.CONFIRMED if episode.over > 0:
                return self._ask(window, signal, severity, now_s)
            case _:
                return []
        return [self._changed(window.position, signal, severity)]

    def _ask(self, window: WindowFacts, signal: str, severity: float, now_s: float) -> list[PolicyOutput]:
        if self.cooldown_until_s is not None and now_s < self.cooldown_until_s:
            return []
        self.cooldown_until_s = now_s + self.settings.cooldown_s
        self._episode.state = DriftState.REQUESTED
        self._episode.request = self.new_id()
        return [
            self._changed(window.position, signal, severity),
            OpenRequest(
                id=self._episode.request,
                reason=RequestReason.DRIFT,
                position=window.position,
                signal=signal,
                severity=severity,
            ),
        ]

    def _end(self, state: DriftState, position: int, why: str) -> list[PolicyOutput]:
        before, request = self._episode.state, self._episode.request
        self._episode = _Episode(state=state)
        outputs: list[PolicyOutput] = [] if request is None else [CloseRequest(id=request, why=why)]
        return outputs if before is state else [*outputs, StateChanged(state=state, position=position)]

    def _changed(self, position: int, signal: str, severity: float) -> StateChanged:
        episode = self._episode
        return StateChanged(
            state=episode.state, position=position, signal=signal, detector=episode.detector, severity=severity
        )


def threshold(n: int, signals: int) -> float:
    """Largest distance that a window of ``n`` frames with this many signals may show by luck.

    >>> round(threshold(200, 1), 3), round(threshold(200, 12), 3), round(threshold(100_000, 12), 3)
    (0.165, 0.189, 0.1)
    """
    critical = math.sqrt(math.log(2 * signals / _LEVEL) / 2)
    return max(_MIN_EFFECT, critical / math.sqrt(n) + _MARGIN)
