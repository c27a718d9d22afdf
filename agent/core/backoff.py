"""How long to wait before a worker that died is started again.

>>> backoff = Backoff()
>>> [backoff.after(ran_s=0.5) for _ in range(5)]
[0.0, 1.0, 2.0, 4.0, 8.0]
>>> backoff.after(ran_s=300.0)
0.0
"""

from __future__ import annotations

from dataclasses import dataclass

STEADY_S = 60.0  # whoever ran this long died for a reason of its own
FIRST_S = 1.0
LONGEST_S = 60.0


@dataclass(slots=True)
class Backoff:
    """Counts deaths in a row: the first restart is immediate, the next ones wait twice as long each."""

    deaths: int = 0

    def after(self, *, ran_s: float) -> float:
        """Seconds to wait after a death that came ``ran_s`` after the start."""
        self.deaths = 1 if ran_s >= STEADY_S else self.deaths + 1
        return 0.0 if self.deaths == 1 else min(FIRST_S * 2.0 ** (self.deaths - 2), LONGEST_S)

    def reset(self) -> None:
        """Another model: its first restart is immediate again."""
        self.deaths = 0
