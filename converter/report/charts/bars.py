"""Horizontal bars: one number for each name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from converter.report.charts.canvas import CHARACTER, Scale, bar, canvas, line, shortened, words
from converter.report.markup import Element

_WIDTH = 430
_ROW = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar.

    Attributes:
        label: To its left.
        value: Its length; None for no bar.
        shown: To its right.
        kind: Class of its colour.
        interval: Whiskers, as an estimate of the document.
        mark: A second value, drawn as a line across.
        title: For the pointer.
    """

    label: str
    value: float | None
    shown: str
    kind: str = "artifact"
    interval: Mapping[str, Any] | None = None
    mark: float | None = None
    title: str = ""


def bars(
    rows: Sequence[Bar],
    label: str,
    *,
    low: float = 0.0,
    high: float | None = None,
    limit: float | None = None,
    characters: int = 22,
) -> Element:
    """The bars from the top, all from ``low``.

    Args:
        rows: The bars.
        label: What the chart shows, for those who cannot see it.
        low: Value of no length.
        high: Value of the full length; the largest one when None.
        limit: A dashed line.
        characters: Of the labels, longer ones are cut.
    """
    ends = [row.value for row in rows if row.value is not None]
    ends += [row.interval["high"] for row in rows if row.interval is not None]
    most = max(ends, default=1.0) if high is None else high
    left = 14 + CHARACTER * max(len(shortened(row.label, characters)) for row in rows)
    right = _WIDTH - 14 - CHARACTER * max(len(row.shown) for row in rows)
    scale = Scale(low=low, high=max(most, low + 1e-9), start=left, end=right)
    drawn = []
    for number, row in enumerate(rows):
        drawn += _bar(row, scale, 4 + _ROW * number, shortened(row.label, characters))
    bottom = 4 + _ROW * len(rows)
    drawn.append(line(left, 0, left, bottom, "axis"))
    if limit is not None and low <= limit <= scale.high:
        drawn.append(line(scale(limit), 0, scale(limit), bottom, "limit"))
    return canvas(_WIDTH, bottom + 4, label, *drawn)


def _bar(row: Bar, scale: Scale, top: float, label: str) -> list[Element]:
    middle = top + _ROW / 2
    drawn = [words(scale.start - 10, middle + 4, label, "", "end")]
    if row.value is not None:
        drawn.append(bar(scale.start, top + 4, scale(row.value) - scale.start, _ROW - 9, row.kind, row.title))
    if row.interval is not None:
        ends = scale(row.interval["low"]), scale(row.interval["high"])
        drawn.append(line(ends[0], middle - 0.5, ends[1], middle - 0.5, "zero"))
        drawn += [line(end, middle - 3.5, end, middle + 2.5, "zero") for end in ends]
    if row.mark is not None:
        drawn.append(bar(scale(row.mark) - 1.5, top + 2, 3, _ROW - 5, "float"))
    drawn.append(words(scale.end + 8, middle + 4, row.shown, "dim"))
    return drawn
