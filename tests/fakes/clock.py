"""A clock that stands still until a test moves it."""

from __future__ import annotations


class FakeClock:
    """Clock and Sleeper ports; sleeping moves the time."""

    def __init__(self, *, monotonic_s: float = 1000.0, utc_s: float | None = 1_795_336_200.0) -> None:
        self.now_s = monotonic_s
        self.utc: float | None = utc_s

    def monotonic_s(self) -> float:
        return self.now_s

    def utc_s(self) -> float | None:
        return self.utc

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        if self.utc is not None:
            self.utc += seconds
