"""Numbers as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NARROW = "\u202f"  # narrow no-break space between number and unit
MINUS = "\u2212"
DASH = "\u2013"
NONE = "\u2014"


def percent(share: float | None, digits: int = 2) -> str:
    """A share in percent.

    >>> percent(0.91234).replace(NARROW, " ")
    '91.23 %'
    """
    return NONE if share is None else f"{100 * share:.{digits}f}{NARROW}%"


def points(share: float | None) -> str:
    """A difference of shares in percentage points, with its sign."""
    if share is None:
        return NONE
    rounded = round(100 * share, 2)
    sign = MINUS if rounded < 0 else "+" if rounded > 0 else ""
    return f"{sign}{abs(rounded):.2f}{NARROW}pt"


def metric(value: float | None, name: str) -> str:
    """Accuracy in percent, AUC as a number."""
    if value is None:
        return NONE
    return percent(value) if name == "accuracy" else f"{value:.4f}"


def metric_interval(estimate: Mapping[str, Any] | None, name: str) -> str:
    """Both ends of the interval of a metric."""
    if estimate is None:
        return ""
    low, high = estimate["low"], estimate["high"]
    if name == "accuracy":
        return f"{100 * low:.2f}{DASH}{100 * high:.2f}{NARROW}%"
    return f"{low:.4f}{DASH}{high:.4f}"


def point_interval(estimate: Mapping[str, Any] | None) -> str:
    """Both ends of the interval of a difference."""
    return (
        ""
        if estimate is None
        else f"{points(estimate['low']).removesuffix(f'{NARROW}pt')} to {points(estimate['high'])}"
    )


def size(count: float | None) -> str:
    """Bytes in decimal units.

    >>> size(98496).replace(NARROW, " ")
    '98.5 kB'
    """
    if count is None:
        return NONE
    for unit, factor in (("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.3g}{NARROW}{unit}"
    return f"{count:.0f}{NARROW}bytes"


def duration_us(value: float | None) -> str:
    """Microseconds, or milliseconds when there are many."""
    if value is None:
        return NONE
    if value >= 10_000:
        return f"{value / 1000:.1f}{NARROW}ms"
    return f"{value:.0f}{NARROW}\u00b5s" if value >= 100 else f"{value:.1f}{NARROW}\u00b5s"


def seconds(value: float) -> str:
    """Seconds, or minutes when there are many."""
    if value >= 120:
        return f"{value / 60:.1f}{NARROW}min"
    return f"{value:.1f}{NARROW}s"


def decibels(value: float | None) -> str:
    """Decibels."""
    return NONE if value is None else f"{value:.1f}{NARROW}dB"


def count(value: int | None) -> str:
    """A whole number with groups of three digits."""
    return NONE if value is None else f"{value:,}".replace(",", NARROW)


def number(value: float | None) -> str:
    """Any number, four digits of it."""
    return NONE if value is None else f"{value:.4g}".replace("-", MINUS)


def rough(value: float) -> str:
    """Any number, two digits of it."""
    return f"{value:.2g}".replace("-", MINUS)


def several(found: int, what: str) -> str:
    """``3 classes``.

    >>> several(1, "class")
    '1 class'
    """
    plural = what + ("es" if what.endswith("s") else "s")
    return f"{count(found)} {what if found == 1 else plural}"
