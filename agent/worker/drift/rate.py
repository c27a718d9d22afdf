"""Frames in a second: the source's own figure, or else what the stream shows."""

from __future__ import annotations

DEFAULT_RATE_HZ = 10.0
_ENOUGH_S = 1.0


class Rate:
    """Counts frames where nobody knows their rate.

    Args:
        known_hz: The source's rate; None to measure it.

    Examples:
        >>> rate = Rate(None)
        >>> for tenth in range(21):
        ...     rate.tick(tenth / 10)
        >>> rate.rate_hz
        10.0
    """

    def __init__(self, known_hz: float | None) -> None:
        self._known_hz = known_hz
        self._frames = 0
        self._first_s = self._last_s = 0.0

    def tick(self, now_s: float) -> None:
        """A frame came."""
        if not self._frames:
            self._first_s = now_s
        self._last_s = max(self._last_s, now_s)
        self._frames += 1

    @property
    def rate_hz(self) -> float:
        """The best figure there is."""
        if self._known_hz is not None:
            return self._known_hz
        seconds = self._last_s - self._first_s
        return (self._frames - 1) / seconds if seconds >= _ENOUGH_S and self._frames > 1 else DEFAULT_RATE_HZ
