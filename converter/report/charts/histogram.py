"""Histograms: of a layer's values, and of normal beside anomalous scores."""

from __future__ import annotations

from collections.abc import Sequence

from converter.report.charts.canvas import Format, Scale, area, bar, bottom_axis, canvas, line, words
from converter.report.markup import Element


def small_histogram(counts: Sequence[int], low: float, high: float, label: str, shown: Format) -> Element:
    """The shape of a distribution, its ends written below; heights are square roots, so that tails can be seen."""
    width, height, bottom = 180, 74, 56
    most = max(max(counts, default=0), 1) ** 0.5
    step = width / max(len(counts), 1)
    points = []
    for number, found in enumerate(counts):
        top = bottom - (bottom - 4) * found**0.5 / most
        points += [(number * step, top), ((number + 1) * step, top)]
    drawn = [area(points, bottom, "artifact veil")] if points else []
    if low < 0 < high:
        zero = width * -low / (high - low)
        drawn.append(line(zero, 4, zero, bottom, "axis"))
    drawn += [
        line(0, bottom, width, bottom, "axis"),
        words(0, 70, shown(low), "tick"),
        words(width, 70, shown(high), "tick", "end"),
    ]
    return canvas(width, height, label, *drawn, least=120)


def two_histograms(
    first: Sequence[int], second: Sequence[int], edges: Sequence[float], label: str, shown: Format, limit: float | None
) -> Element:
    """Two distributions over the same bins, each as shares of its own kind; a dashed line at ``limit``."""
    width, height, bottom = 430, 200, 172
    scale = Scale(low=edges[0], high=edges[-1], start=8, end=width - 8)
    shares = [[found / max(sum(counts), 1) for found in counts] for counts in (first, second)]
    most = max(*shares[0], *shares[1], 1e-9)
    drawn = bottom_axis(scale, 8, bottom, shown)
    for kind, some, counts in (("float", shares[0], first), ("second", shares[1], second)):
        for number, share in enumerate(some):
            left, right = scale(edges[number]), scale(edges[number + 1])
            tall = (bottom - 12) * share / most
            drawn.append(
                bar(left, bottom - tall, right - left - 0.5, tall, f"{kind} veil", f"{counts[number]} examples")
            )
    if limit is not None and edges[0] <= limit <= edges[-1]:
        drawn.append(line(scale(limit), 4, scale(limit), bottom, "limit"))
        flush = "end" if scale(limit) > width / 2 else "start"
        drawn.append(words(scale(limit) + (-6 if flush == "end" else 6), 16, "threshold", "limit-word", flush))
    return canvas(width, height, label, *drawn)
