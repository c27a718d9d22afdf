"""The confusion matrix as a heat map."""

from __future__ import annotations

from collections.abc import Sequence

from converter.report.charts.canvas import CHARACTER, canvas, shortened, words
from converter.report.markup import Element, node

_ROOMY = 30.0  # px from which a cell has room for its number
_DARK = 0.55  # share from which a number is written in the colour of the card
_LABEL = 16  # characters


def heat_map(counts: Sequence[Sequence[int]], labels: Sequence[str], label: str) -> Element:
    """Rows are the true classes, columns the answers; a cell is as strong as its share of the row."""
    classes = len(counts)
    cell = max(13.0, min(38.0, 560 / classes))
    names = [shortened(name, _LABEL) for name in labels]
    left = 14 + CHARACTER * max(map(len, names))
    upright = cell >= CHARACTER * max(map(len, names)) + 2
    top = 20.0 if upright else 12 + 0.75 * CHARACTER * max(map(len, names))
    drawn = []
    for row, found in enumerate(counts):
        y = top + row * cell
        drawn.append(words(left - 8, y + cell / 2 + 4, names[row], "", "end"))
        drawn.append(_column_name(names[row], left + (row + 0.5) * cell, top - 7, upright=upright))
        for column, some in enumerate(found):
            said = f"{labels[row]} answered as {labels[column]}: {some} of {sum(found)}"
            kind = "right" if row == column else "wrong"
            drawn += _cell((left + column * cell, y), cell, some, sum(found), kind, said)
    side = classes * cell
    return canvas(left + side + (8 if upright else 40), top + side + 6, label, *drawn)


def _cell(corner: tuple[float, float], side: float, found: int, of: int, kind: str, said: str) -> list[Element]:
    x, y = corner
    place = {"x": x + 0.75, "y": y + 0.75, "width": side - 1.5, "height": side - 1.5, "rx": 2.0}
    drawn = [node("rect", class_="empty", **place)]
    if not found:
        return drawn
    share = found / of
    strength = f"{max(share, 0.03) ** 0.7:.3f}"  # a few errors are to be seen as well
    drawn.append(node("rect", node("title", said), class_=kind, fill_opacity=strength, **place))
    if side >= _ROOMY:
        drawn.append(words(x + side / 2, y + side / 2 + 4, str(found), "on" if share > _DARK else "", "middle"))
    return drawn


def _column_name(name: str, x: float, y: float, *, upright: bool) -> Element:
    if upright:
        return words(x, y, name, "", "middle")
    turned = words(0, 0, name)
    turned.set("transform", f"translate({x:.1f} {y:.1f}) rotate(-45)")
    return turned
