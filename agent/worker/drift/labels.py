"""What labels say lately: right answers among the last ones, always those of the un-adapted artifact."""

from __future__ import annotations

from collections import deque

LATE_LABELS = 200


class LateLabels:
    """Prequential accuracy: every answer was given before its label was known."""

    def __init__(self) -> None:
        self._hits: deque[bool] = deque(maxlen=LATE_LABELS)

    def add(self, *, is_right: bool) -> None:
        """Take one labelled answer."""
        self._hits.append(is_right)

    @property
    def n(self) -> int:
        """How many labels there are."""
        return len(self._hits)

    @property
    def accuracy(self) -> float | None:
        """Share of right answers; None before the first."""
        return sum(self._hits) / len(self._hits) if self._hits else None

    def forget(self) -> None:
        """Begin anew."""
        self._hits.clear()
