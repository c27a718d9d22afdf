"""What every chart is made of: a canvas, scales, axes and marks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from converter.report.markup import Child, Element, node

Format = Callable[[float], str]
CHARACTER = 6.4  # mean width of one in the 11.5 px type of the charts, for leaving room; generous


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """From values to positions.

    Attributes:
        low: Value at ``start``.
        high: Value at ``end``.
        start: Position in px.
        end: Position in px; may lie before ``start``.
        log: Equal factors are equal distances.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The position of ``value``, kept inside the scale."""
        low, high, at = (math.log(max(one, 1e-12)) if self.log else one for one in (self.low, self.high, value))
        share = (at - low) / (high - low) if high > low else 0.5
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers between ``low`` and ``high``.

    >>> ticks(0, 1)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    if not high > low:
        return [low]
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(step * i, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def canvas(width: float, height: float, label: str, *children: Child, least: float | None = None) -> Element:
    """A drawing that grows and shrinks with its column, down to ``least`` px; then it scrolls."""
    svg = node(
        "svg",
        *children,
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_label=label,
        style=f"min-width:{least if least is not None else min(width, 300):g}px;max-width:{1.15 * width:g}px",
    )
    return node("div", svg, class_="chart")


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Element:
    """A straight line."""
    return node("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=kind)


def bar(x: float, y: float, width: float, height: float, kind: str, title: str = "") -> Element:
    """A filled rectangle with an explanation for the pointer."""
    return node(
        "rect", hint(title), x=x, y=y, width=max(width, 0), height=max(height, 0), rx=min(2, height / 4), class_=kind
    )


def dot(x: float, y: float, kind: str, title: str = "", radius: float = 4) -> Element:
    """A filled circle."""
    return node("circle", hint(title), cx=x, cy=y, r=radius, class_=kind)


def words(x: float, y: float, said: str, kind: str = "", anchor: str = "start") -> Element:
    """Text on a base line."""
    return node("text", said, x=x, y=y, text_anchor=anchor, class_=kind or None)


def hint(title: str) -> Element | None:
    """What the pointer shows."""
    return node("title", title) if title else None


def path(points: Sequence[tuple[float, float]], kind: str) -> Element:
    """A line through points."""
    parts = [f"{'M' if i == 0 else 'L'}{x:.1f} {y:.1f}" for i, (x, y) in enumerate(points)]
    return node("path", d="".join(parts), class_=kind)


def area(points: Sequence[tuple[float, float]], base: float, kind: str) -> Element:
    """The surface between points and a base line."""
    inner = "".join(f"L{x:.1f} {y:.1f}" for x, y in points)
    return node("path", d=f"M{points[0][0]:.1f} {base:.1f}{inner}L{points[-1][0]:.1f} {base:.1f}Z", class_=kind)


def bottom_axis(scale: Scale, top: float, bottom: float, shown: Format, about: int = 5) -> list[Element]:
    """Vertical grid lines with their values below."""
    drawn = []
    for value in ticks(scale.low, scale.high, about):
        x = scale(value)
        drawn += [line(x, top, x, bottom, "rule"), words(x, bottom + 15, shown(value), "tick", "middle")]
    return drawn


def left_axis(scale: Scale, left: float, right: float, shown: Format, about: int = 4) -> list[Element]:
    """Horizontal grid lines with their values to the left."""
    drawn = []
    for value in ticks(scale.low, scale.high, about):
        y = scale(value)
        drawn += [line(left, y, right, y, "rule"), words(left - 6, y + 4, shown(value), "tick", "end")]
    return drawn


def legend(*entries: tuple[str, str]) -> Element:
    """What the colours mean: pairs of class and words."""
    return node("p", *(node("span", node("i", class_=f"key {kind}"), said) for kind, said in entries), class_="legend")


def shortened(said: str, characters: int) -> str:
    """The text, cut with an ellipsis in its middle when it is long.

    >>> len(shortened("model/block_3/conv2d", 12))
    12
    """
    if len(said) <= characters:
        return said
    head = characters // 2
    return f"{said[:head]}\u2026{said[len(said) - (characters - head - 1) :]}"
