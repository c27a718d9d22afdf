"""One form for what is told of drift, whether a device has lived through it or a replay has played it.

Values only: ``agent.explain.record`` makes a story of a device's episode and ``agent.worker.replay_report`` one of a
replay; ``text`` and ``plot`` tell it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

LEVELS = (("watch", 0.0), ("minor", 0.1), ("major", 0.2), ("critical", 0.4))
"""Names of severity by the largest effect, and where each begins; a large loss of accuracy is critical as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Something that happened.

    Attributes:
        frame: Index of the frame at which it did, or of its last frame.
        at_s: Seconds since the story's beginning.
    """

    frame: int
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn(Moment):
    """The state changed.

    Attributes:
        state: The new state: ok, suspect, confirmed, requested or recovered.
        signal: Signal that stood out.
        detector: What raised the alarm.
        severity: Largest effect then, 0 to 1.
        note: Anything else that a person should read, one clause.
    """

    state: str
    signal: str | None = None
    detector: str | None = None
    severity: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(Moment):
    """A verdict: how far a stretch of frames was from the reference.

    Attributes:
        n_effective: Independent frames in it.
        effects: Distance of each signal from the reference, 0 to 1; perhaps only the largest ones.
        attribution: Share of each signal and class in what drives the trigger, largest first.
        context: Context that explains most of it.
        class_effect: Distance of the predicted classes.
        accuracy: Estimated accuracy, 0 to 1.
        accuracy_low: Lower end of its 90 % interval.
        accuracy_high: Upper end of it.
        labelled_accuracy: Share of right answers among the frames that feedback labelled.
        true_accuracy: Share of right answers among all of its frames, where the truth is known.
        changed_at: Frame at which the witness saw the first change of late.
    """

    n_effective: int
    effects: Mapping[str, float]
    attribution: Mapping[str, float] = field(default_factory=dict)
    context: str = ""
    class_effect: float | None = None
    accuracy: float | None = None
    accuracy_low: float | None = None
    accuracy_high: float | None = None
    labelled_accuracy: float | None = None
    true_accuracy: float | None = None
    changed_at: int | None = None

    @property
    def severity(self) -> float:
        """The largest effect."""
        return max(self.effects.values(), default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmMark(Moment):
    """A detector raised an alarm."""

    signal: str
    detector: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask(Moment):
    """A model was asked for."""

    id: str
    reason: str
    signal: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What happened, oldest first.

    Attributes:
        title: Whose story it is, such as ``digits on pi7-cam``.
        source: What it was read from.
        began: When frame times begin, RFC 3339 or empty where nobody knows.
        turns: Changes of state.
        readings: Verdicts.
        alarms: Alarms; perhaps only the first of each signal.
        asks: Requests for a model.
        thin: One of so many frames counts as independent.
        faults: Frames by fault.
        open_request: Id of the request that waits for an answer.
        reference_accuracy: Accuracy on the reference.
    """

    title: str
    source: str
    began: str = ""
    turns: tuple[Turn, ...] = ()
    readings: tuple[Reading, ...] = ()
    alarms: tuple[AlarmMark, ...] = ()
    asks: tuple[Ask, ...] = ()
    thin: int = 1
    faults: Mapping[str, int] = field(default_factory=dict)
    open_request: str | None = None
    reference_accuracy: float | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing happened that could be told."""
        return not (self.turns or self.readings or self.alarms or self.asks)

    @property
    def worst(self) -> Reading | None:
        """The verdict with the largest effect, the first of equals."""
        return max(self.readings, key=lambda reading: reading.severity, default=None)

    @property
    def deciding(self) -> Reading | None:
        """The verdict that led to the first request, or else the worst one."""
        asked = [reading for ask in self.asks[:1] for reading in self.readings if reading.frame <= ask.frame]
        return asked[-1] if asked else self.worst

    @property
    def changed_at(self) -> int | None:
        """Frame at which it began as the witness saw it; None where no verdict says."""
        deciding = self.deciding
        if deciding is not None and deciding.changed_at is not None:
            return deciding.changed_at
        return next((each.changed_at for each in self.readings if each.changed_at is not None), None)

    @property
    def moments(self) -> list[Moment]:
        """All that happened, by frame."""
        moments: list[Moment] = [*self.turns, *self.readings, *self.alarms, *self.asks]
        return sorted(moments, key=lambda moment: moment.frame)


def level_of(severity: float) -> str:
    """The name of a severity.

    >>> level_of(0.05), level_of(0.15), level_of(0.3), level_of(0.7)
    ('watch', 'minor', 'major', 'critical')
    """
    return [name for name, least in LEVELS if severity >= least][-1]


def largest(values: Mapping[str, float], n: int) -> list[tuple[str, float]]:
    """The ``n`` largest entries, largest first; equals by name.

    >>> largest({"mean": 0.2, "skew": 0.4, "std": 0.2}, 2)
    [('skew', 0.4), ('mean', 0.2)]
    """
    return sorted(values.items(), key=lambda item: (-item[1], item[0]))[:n]


def leading_signals(readings: Iterable[Reading], n: int) -> list[str]:
    """Names of the ``n`` signals that went farthest in any verdict, farthest first."""
    farthest: dict[str, float] = {}
    for reading in readings:
        for name, effect in reading.effects.items():
            farthest[name] = max(effect, farthest.get(name, 0.0))
    return [name for name, _ in largest(farthest, n)]
