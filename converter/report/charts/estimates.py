"""Values with their intervals, one row each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from converter.report.charts.canvas import (
    CHARACTER,
    Format,
    Scale,
    bottom_axis,
    canvas,
    dot,
    line,
    shortened,
    words,
)
from converter.report.markup import Element

_WIDTH = 430
_ROW = 26
_LABEL = 22  # characters

Estimate = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row.

    Attributes:
        label: To its left.
        marks: Estimates as in the document, each with the class of its colour, the last one on top.
        shown: To its right.
        title: For the pointer.
    """

    label: str
    marks: tuple[tuple[Estimate | None, str], ...]
    shown: str = ""
    title: str = ""


def forest(
    rows: Sequence[Row],
    label: str,
    *,
    axis: Format,
    inside: tuple[float, float] | None = None,
    limit: float | None = None,
    zero: bool = False,
) -> Element:
    """A dot with whiskers for each estimate.

    Args:
        rows: From the top.
        label: What the chart shows, for those who cannot see it.
        axis: How values are written.
        inside: Ends that the axis must not pass, such as 0 and 1.
        limit: A dashed line.
        zero: A line at 0.
    """
    estimates = [mark for row in rows for mark, _ in row.marks if mark is not None]
    ends = [end for one in estimates for end in (one["low"], one["high"])]
    ends += [value for value, wanted in ((limit, limit is not None), (0.0, zero)) if wanted and value is not None]
    room = 0.08 * (max(ends) - min(ends)) or 0.01
    low, high = min(ends) - room, max(ends) + room
    if inside is not None:
        low, high = max(low, inside[0]), min(high, inside[1])
    left = 16 + CHARACTER * max(len(shortened(row.label, _LABEL)) for row in rows)
    right = _WIDTH - 20 - CHARACTER * max(len(row.shown) for row in rows)
    scale = Scale(low=low, high=high, start=left, end=right)
    bottom = 8 + _ROW * len(rows)
    drawn = bottom_axis(scale, 4, bottom, axis, 4)
    if zero:
        drawn.append(line(scale(0), 4, scale(0), bottom, "zero"))
    if limit is not None:
        drawn.append(line(scale(limit), 4, scale(limit), bottom, "limit"))
    for number, row in enumerate(rows):
        drawn += _row(row, scale, 8 + _ROW * (number + 0.5), left)
    return canvas(_WIDTH, bottom + 24, label, *drawn)


def _row(row: Row, scale: Scale, y: float, left: float) -> list[Element]:
    drawn = [words(left - 12, y + 4, shortened(row.label, _LABEL), "", "end")]
    drawn.append(words(scale.end + 12, y + 4, row.shown, "dim"))
    apart = 9 if len(row.marks) > 1 else 0
    for number, (mark, kind) in enumerate(row.marks):
        if mark is not None:
            at = y + apart * (number - (len(row.marks) - 1) / 2)
            drawn.append(line(scale(mark["low"]), at, scale(mark["high"]), at, f"{kind}-line"))
            drawn.append(dot(scale(mark["value"]), at, kind, row.title))
    return drawn
