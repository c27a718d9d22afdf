"""Time for the registry's tests."""

from __future__ import annotations

DAY_S = 86400.0


class FakeClock:
    """deploy.clock.Clock that moves only when told to, or when somebody waits."""

    def __init__(self, unix_s: float = 1_800_000_000.0) -> None:
        self._unix_s = unix_s
        self._monotonic_s = 0.0

    def unix_s(self) -> float:
        return self._unix_s

    def monotonic_s(self) -> float:
        return self._monotonic_s

    def sleep(self, duration_s: float) -> None:
        self._unix_s += duration_s
        self._monotonic_s += duration_s
