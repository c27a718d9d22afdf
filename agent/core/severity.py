"""How large a drift is, and whether a verdict says that it is more than luck. The policy counts such verdicts.

A verdict is over the limit when one of these is:

    largest Kolmogorov-Smirnov distance    max(0.1, c(k) / sqrt(n) + 0.05), c(k) = sqrt(ln(2 k / 0.01) / 2), k signals
    total variation of predicted classes   ``class_limit``, from 1,000 independent frames on
    loss of accuracy on labelled frames    ``label_limit``, from 50 labels on

c(1) = 1.63 is the usual critical value at 1 %; dividing the 1 % by k (Bonferroni) keeps the chance that any of k
signals exceeds it by luck. 0.05 allows for a profile that is itself an estimate; 0.1 because a smaller effect is not
worth another model, however certain. Classes wait for 1,000 frames: at 200 a tripled class is found in 43 % of cases
only, at 1,000 in 98 %. A verdict on fewer frames whose classes look different is undecided: it counts neither way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from agent import ipc
from edge_models.wire.telemetry import DriftLevel

MIN_FRAMES = 50  # c(12) / sqrt(50) + 0.05 = 0.33: fewer frames could confirm only the grossest drift
CLASS_FRAMES = 1000
MIN_LABELS = 50
CLASSES = "predicted_class"  # stands where the name of a signal does
LABELS = "labels"
_CLASSES_UNKNOWN = 32
_MIN_EFFECT = 0.1
_MARGIN = 0.05
_LEVEL = 0.01
_QUIET_LEVEL = 0.1
_SMALL = 0.02  # as the e-process on labelled errors: less is not worth a model
_MAJOR, _CRITICAL = 0.2, 0.4
_CRITICAL_LOSS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A verdict, weighed.

    Attributes:
        signal: The signal with the largest effect; ``predicted_class`` or ``labels`` where only these are over.
        effect: Its effect.
        limit: What it is compared with.
        is_over: Whether any effect is over its limit.
        is_quiet: Whether all are so far within that the drift is gone.
        is_undecided: Whether the classes look different, on too few frames to say so.
        level: How much it matters.
    """

    signal: str
    effect: float
    limit: float
    is_over: bool
    is_quiet: bool
    is_undecided: bool
    level: DriftLevel


def measured(verdict: ipc.Verdict) -> Measured | None:
    """A verdict, weighed; None for one of too few frames, or without effects."""
    n = verdict.n_effective
    if n < MIN_FRAMES or not verdict.effects:
        return None
    signal = max(verdict.effects, key=lambda name: verdict.effects[name])
    effect, limit = verdict.effects[signal], threshold(n, len(verdict.effects))
    by_signal = effect > limit
    by_class, class_undecided = _classes(verdict)
    loss = labelled_loss(verdict)
    by_label = loss is not None and loss > label_limit(verdict.labelled)
    if not by_signal and by_class:
        signal, effect, limit = CLASSES, verdict.class_effect or 0.0, class_limit(verdict.class_n, verdict.class_count)
    elif not by_signal and by_label:
        signal, effect, limit = LABELS, loss or 0.0, label_limit(verdict.labelled)
    is_over = by_signal or by_class or by_label
    return Measured(
        signal=signal,
        effect=effect,
        limit=limit,
        is_over=is_over,
        is_quiet=not is_over and not class_undecided and effect < quiet_limit(n, len(verdict.effects)),
        is_undecided=class_undecided and not is_over,
        level=level_of(effect, accuracy_loss(verdict)),
    )


def threshold(n: int, signals: int) -> float:
    """Largest distance that a verdict on ``n`` independent frames with this many signals may show by luck.

    >>> round(threshold(200, 1), 3), round(threshold(200, 12), 3), round(threshold(100_000, 12), 3)
    (0.165, 0.189, 0.1)
    """
    return max(_MIN_EFFECT, _critical(signals, _LEVEL) / math.sqrt(n) + _MARGIN)


def quiet_limit(n: int, signals: int) -> float:
    """Largest distance at which a drift counts as gone: half the limit, or what luck alone exceeds in 10 %.

    >>> round(quiet_limit(200, 12), 3), round(quiet_limit(100_000, 12), 3)
    (0.117, 0.05)
    """
    return max(threshold(n, signals) / 2, _critical(signals, _QUIET_LEVEL) / math.sqrt(n))


def class_limit(n: int, classes: int) -> float:
    """Largest total variation that the predicted classes of ``n`` frames may show by luck.

    Its mean is at most sqrt((c - 1) / (2 pi n)) (Cauchy-Schwarz), and one frame moves it by 1/n at most, so that
    McDiarmid's inequality bounds what exceeds the mean.

    >>> round(class_limit(1000, 10), 3), round(class_limit(1000, 100), 3)
    (0.106, 0.194)
    """
    mean = math.sqrt(max(1, (classes or _CLASSES_UNKNOWN) - 1) / (2 * math.pi * n))
    return max(_MIN_EFFECT, mean + math.sqrt(math.log(1 / _LEVEL) / (2 * n)) + _SMALL)


def label_limit(n: int) -> float:
    """Largest loss of accuracy that ``n`` labels may show by luck (Hoeffding), and what is not worth a model.

    >>> round(label_limit(50), 3), round(label_limit(1000), 3)
    (0.235, 0.068)
    """
    return math.sqrt(math.log(1 / _LEVEL) / (2 * n)) + _SMALL


def labelled_loss(verdict: ipc.Verdict) -> float | None:
    """Loss of accuracy that labels show; None with too few of them."""
    if verdict.labelled < MIN_LABELS or verdict.labelled_accuracy is None or verdict.accuracy_reference is None:
        return None
    return verdict.accuracy_reference - verdict.labelled_accuracy


def accuracy_loss(verdict: ipc.Verdict) -> float | None:
    """Loss of accuracy by labels or else as estimated; None where nothing is known."""
    by_label = labelled_loss(verdict)
    if by_label is not None or verdict.accuracy is None or verdict.accuracy_reference is None:
        return by_label
    return verdict.accuracy_reference - verdict.accuracy


def level_of(effect: float, loss: float | None = None) -> DriftLevel:
    """How much an effect matters, and the accuracy that it costs.

    >>> level_of(0.15).value, level_of(0.15, 0.12).value, level_of(0.3).value
    ('minor', 'critical', 'major')
    """
    if effect > _CRITICAL or (loss is not None and loss > _CRITICAL_LOSS):
        return DriftLevel.CRITICAL
    if effect > _MAJOR:
        return DriftLevel.MAJOR
    return DriftLevel.MINOR if effect > _MIN_EFFECT else DriftLevel.WATCH


def _classes(verdict: ipc.Verdict) -> tuple[bool, bool]:
    """Whether the classes are over their limit, and whether they would be if this were seen on enough frames."""
    effect, n = verdict.class_effect, verdict.class_n
    if effect is None:
        return False, False
    if n >= CLASS_FRAMES:
        return effect > class_limit(n, verdict.class_count), False
    return False, effect > class_limit(CLASS_FRAMES, verdict.class_count) + _MARGIN


def _critical(signals: int, level: float) -> float:
    return math.sqrt(math.log(2 * signals / level) / 2)
