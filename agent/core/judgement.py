"""What a look at a model's figures says, and how much of a difference is worth a word."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from agent.core.severity import threshold

Verdict = Literal["pass", "wait", "fault"]

OK = "ok"
MIN_FRAMES = 20  # fewer say nothing: at 0.7, 20 frames have a standard error of 0.1
DRIFT_MARGIN = 0.05  # between two effects, each against a profile that is itself an estimate (agent.core.severity)
MIN_TIMED_FRAMES = 60  # from here on three frames are slower than the p95: one that the system kept waiting is not it
UNHURRIED_US = 10_000.0  # a frame this fast is fast enough beside any other: a fifth of the time there is at 20 Hz
_SIGNALS = 12  # as many as a profile usually has; the limit hardly depends on it


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What follows, and why.

    Attributes:
        verdict: Whether the model may go on, has to be looked at again, or is at fault.
        code: Why, as ``edge_models.wire.results`` has it; ``ok`` when nothing spoke against it.
        message: The same for people: what was found, what was expected.
        evidence: The figures.
    """

    verdict: Verdict
    code: str = OK
    message: str = ""
    evidence: Mapping[str, float] = field(default_factory=dict)


Fault = tuple[str, str]  # code, message


def is_small(effect: float, n: int) -> bool:
    """Whether a drift over ``n`` frames is less than minor, or what luck alone may show.

    >>> is_small(0.15, 200), is_small(0.25, 200), is_small(0.11, 1_000_000), is_small(0.1, 1_000_000)
    (True, False, False, True)
    """
    return effect <= threshold(max(n, 1), _SIGNALS)


def slowness(p95_us: float | None, other_us: float | None, n: int, allowed: float, whose: str) -> Fault | None:
    """The fault of a model that takes too long for one of ``n`` frames, beside another model's p95."""
    if p95_us is None or other_us is None or n < MIN_TIMED_FRAMES or p95_us <= max(UNHURRIED_US, allowed * other_us):
        return None
    return "too_slow", (
        f"p95 of a frame is {p95_us / 1000:.1f} ms, {whose} has {other_us / 1000:.1f} ms; allowed {allowed:g} times"
    )


def overweight(rss_kb: int, allowed_mb: float) -> Fault | None:
    """The fault of a model that takes too much memory; ``rss_kb`` is 0 where nobody could measure it."""
    if rss_kb <= allowed_mb * 1024:
        return None
    return "memory", f"{rss_kb / 1024:.0f} MB resident, allowed {allowed_mb:g} MB"


def figures(**values: float | None) -> dict[str, float]:
    """The figures that are known, in digits that a person can read; JSON has no word for NaN and infinity."""
    known = ((name, value) for name, value in values.items() if value is not None and math.isfinite(value))
    return {name: float(f"{value:.6g}") for name, value in known}
