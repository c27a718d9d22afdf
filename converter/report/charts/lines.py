"""Lines over a common axis: training curves, ROC, learning with few labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from converter.report.charts.canvas import (
    CHARACTER,
    Format,
    Scale,
    bottom_axis,
    canvas,
    dot,
    left_axis,
    line,
    path,
    ticks,
    words,
)
from converter.report.markup import Element


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line.

    Attributes:
        points: (x, y) in order.
        kind: Class of its colour.
        spread: (x, low, high) whiskers.
        dots: Also a dot at each point.
        joined: The line itself.
        title: For the pointer.
    """

    points: tuple[tuple[float, float], ...]
    kind: str = "artifact"
    spread: tuple[tuple[float, float, float], ...] = ()
    dots: bool = False
    joined: bool = True
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The axes.

    Attributes:
        label: What the chart shows, for those who cannot see it.
        x: Name of the horizontal axis.
        x_shown: How its values are written.
        y_shown: How the vertical values are written.
        x_range: Its ends; those of the data when None.
        y_range: Ends of the vertical axis; those of the data when None.
        x_at: Where it has values; round ones when empty.
        x_log: Logarithmic.
        square: As high as wide.
        diagonal: A line from corner to corner.
        marked: A vertical line.
    """

    label: str
    x: str
    x_shown: Format
    y_shown: Format
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    x_at: tuple[float, ...] = ()
    x_log: bool = False
    square: bool = False
    diagonal: bool = False
    marked: float | None = None


def lines(series: Sequence[Series], frame: Frame) -> Element:
    """The lines in one frame."""
    width, height = (340, 340) if frame.square else (430, 230)
    points = [point for one in series for point in one.points]
    whiskers = [end for one in series for _, *ends in one.spread for end in ends]
    y_low, y_high = frame.y_range or _roomy([y for _, y in points] + whiskers)
    x_low, x_high = frame.x_range or (min(x for x, _ in points), max(x for x, _ in points))
    widest = max(len(frame.y_shown(value)) for value in ticks(y_low, y_high, 4))
    left = 14 + CHARACTER * widest
    x = Scale(low=x_low, high=x_high, start=left, end=width - 16, log=frame.x_log)
    y = Scale(low=y_low, high=y_high, start=height - 40, end=8)
    drawn = left_axis(y, left, width - 16, frame.y_shown) + _below(x, frame, height - 40)
    drawn.append(words((left + width - 16) / 2, height - 6, frame.x, "dim", "middle"))
    if frame.diagonal:
        drawn.append(line(x.start, y.start, x.end, y.end, "axis"))
    if frame.marked is not None:
        drawn.append(line(x(frame.marked), 8, x(frame.marked), height - 40, "limit"))
    for one in series:
        drawn += _drawn(one, x, y)
    return canvas(width, height, frame.label, *drawn)


def _drawn(one: Series, x: Scale, y: Scale) -> list[Element]:
    at = [(x(a), y(b)) for a, b in one.points]
    drawn = [line(x(a), y(low), x(a), y(high), f"{one.kind}-line") for a, low, high in one.spread]
    if one.joined:
        drawn.append(path(at, f"{one.kind}-line"))
    if one.dots or len(at) == 1:
        drawn += [dot(a, b, one.kind, one.title, 3.5) for a, b in at]
    return drawn


def _below(x: Scale, frame: Frame, bottom: float) -> list[Element]:
    if not frame.x_at:
        return bottom_axis(x, 8, bottom, frame.x_shown)
    return [words(x(value), bottom + 15, frame.x_shown(value), "tick", "middle") for value in frame.x_at]


def _roomy(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = 0.06 * (high - low) or max(abs(low) * 0.1, 1e-6)
    return low - room, high + room
