"""Whether a retrained bundle may be published. No IO here."""

from __future__ import annotations

from dataclasses import dataclass

PREFERRED_ARTIFACT = "tflite-int8"  # what most devices run


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was measured on candidate and parent.

    Attributes:
        held_n: Number of held-back samples.
        held: Accuracy of the candidate on them.
        held_parent: Accuracy of the parent on them.
        old_n: Size of the old test set.
        old: Accuracy of the candidate on it; None if the converter did not say.
        old_parent: Accuracy of the parent on it; None if its report does not say.
    """

    held_n: int
    held: float
    held_parent: float
    old_n: int | None
    old: float | None
    old_parent: float | None


def objections(figures: Figures, *, min_held: int, max_old_loss: float) -> list[str]:
    """Why the candidate must not be published; empty if it may.

    >>> objections(Figures(held_n=60, held=0.8, held_parent=0.5, old_n=500, old=0.95, old_parent=0.97),
    ...            min_held=20, max_old_loss=0.01)
    ['accuracy on the old test set falls from 97.0 % to 95.0 %, allowed is a loss of 1.0 points']
    """
    found = []
    if figures.held_n < min_held:
        found.append(f"{figures.held_n} held-back samples cannot judge a bundle, {min_held} are needed")
    if figures.held <= figures.held_parent:
        found.append(
            f"accuracy on {figures.held_n} held-back samples is {_percent(figures.held)}, "
            f"not better than the parent's {_percent(figures.held_parent)}"
        )
    if figures.old is None or figures.old_parent is None:
        found.append(
            "no accuracy on the old test set is known of " + ("candidate" if figures.old is None else "parent")
        )
    elif figures.old_parent - figures.old > max_old_loss + 1e-9:
        found.append(
            f"accuracy on the old test set falls from {_percent(figures.old_parent)} to {_percent(figures.old)}, "
            f"allowed is a loss of {100 * max_old_loss:.1f} points"
        )
    return found


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
