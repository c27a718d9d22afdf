"""One form for what is told of drift, whether a device has lived through it or a replay has played it.

Values only: ``agent.explain.record`` makes a story of a device's episode and ``agent.worker.replay_report`` one of a
replay; ``text`` and ``plot`` tell it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

LEVELS = (("watch", 0.0), ("minor", 0.1), ("major", 0.2), ("critical", 0.4))
"""Names of severity and the effect at which each begins (``agent.core.severity``), for the lines of a picture."""


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
    """The state changed, or something happened to the episode.

    Attributes:
        state: The state from then on: ok, suspect, confirmed, requested or recovered.
        sign: What led to it, a word of the policy's table; empty where nobody kept it.
        signal: Signal that stood out.
        detector: What raised the alarm.
        severity: Largest effect then, 0 to 1.
        note: Anything else that a person should read, one clause.
    """

    state: str
    sign: str = ""
    signal: str | None = None
    detector: str | None = None
    severity: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(Moment):
    """A verdict: how far a stretch of frames was from the reference.

    Attributes:
        n_effective: Independent frames in it.
        severity: The largest effect, 0 to 1.
        signal: The signal that it is of.
        limit: The effect that chance explains for so many frames and signals.
        effects: Distance of each signal from the reference, 0 to 1; empty where only the largest was kept.
        context: Context that explains most of it.
        class_effect: Distance of the predicted classes.
        accuracy: Estimated accuracy, 0 to 1.
        accuracy_low: Lower end of its 90 % interval.
        accuracy_high: Upper end of it.
        labelled_accuracy: Share of right answers among the frames that feedback labelled.
        true_accuracy: Share of right answers among all of its frames, where the truth is known.
    """

    n_effective: int
    severity: float
    signal: str = ""
    limit: float | None = None
    effects: Mapping[str, float] = field(default_factory=dict)
    context: str = ""
    class_effect: float | None = None
    accuracy: float | None = None
    accuracy_low: float | None = None
    accuracy_high: float | None = None
    labelled_accuracy: float | None = None
    true_accuracy: float | None = None


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
class Traits:
    """What an episode was as a whole.

    Attributes:
        level: How much it matters: watch, minor, major or critical; empty where nothing was confirmed.
        changed_at: Frame at which the input changed, as far as seen.
        effects: Distance of each signal from the reference at the worst verdict.
        signature: Shift of each signal there, -1 (lower) to 1 (higher).
        attribution: Share of each signal and class in what raised the alarm.
        on_arrival: Whether the device was never like its reference.
        known: Name of the drift seen before that it resembles.
        is_benign: Whether an operator said that it is harmless.
        waits_for: Why no model is asked for although it is confirmed.
        is_commissioned: Whether the first time on this site was over.
        thin: One of so many frames counts as independent.
        faults: Frames by fault.
        reference_accuracy: Accuracy on the reference.
    """

    level: str = ""
    changed_at: int | None = None
    effects: Mapping[str, float] = field(default_factory=dict)
    signature: Mapping[str, float] = field(default_factory=dict)
    attribution: Mapping[str, float] = field(default_factory=dict)
    on_arrival: bool = False
    known: str | None = None
    is_benign: bool = False
    waits_for: str | None = None
    is_commissioned: bool = True
    thin: int = 1
    faults: Mapping[str, int] = field(default_factory=dict)
    reference_accuracy: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What happened, oldest first.

    Attributes:
        title: Whose story it is, such as ``digits on pi7-cam``.
        source: What it was read from.
        state: Where it stands.
        began: When its first moment was, RFC 3339 or empty where nobody knows.
        has_frames: Whether frames are counted through; not where the agent was started anew in between.
        turns: Changes of state.
        readings: Verdicts.
        alarms: Alarms; perhaps only the first of each signal.
        asks: Requests for a model.
        open_request: Id of the request that waits for an answer.
        traits: What it was as a whole.
    """

    title: str
    source: str
    state: str = "ok"
    began: str = ""
    has_frames: bool = True
    turns: tuple[Turn, ...] = ()
    readings: tuple[Reading, ...] = ()
    alarms: tuple[AlarmMark, ...] = ()
    asks: tuple[Ask, ...] = ()
    open_request: str | None = None
    traits: Traits = field(default_factory=Traits)

    @property
    def is_empty(self) -> bool:
        """Whether nothing happened that could be told."""
        return not (self.turns or self.readings or self.alarms or self.asks)

    @property
    def worst(self) -> Reading | None:
        """The verdict with the largest effect, the first of equals."""
        return max(self.readings, key=lambda reading: reading.severity, default=None)

    @property
    def moments(self) -> list[Moment]:
        """All that happened, by time."""
        moments: list[Moment] = [*self.turns, *self.readings, *self.alarms, *self.asks]
        return sorted(moments, key=lambda moment: (moment.at_s, moment.frame))


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
