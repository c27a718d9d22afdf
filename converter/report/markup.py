"""Build HTML and SVG as a tree, so that no text of a user can become markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.etree import ElementTree as ET  # only builds: nothing is parsed here

Element = ET.Element
Child = ET.Element | str | None


def node(tag: str, *children: Child, **attributes: str | float | None) -> Element:
    """An element; a trailing underscore of an attribute is dropped, other ones become hyphens, None leaves it out.

    Examples:
        >>> text(node("p", "a < b", node("b", "!"), class_="note"))
        '<p class="note">a &lt; b<b>!</b></p>'
    """
    given = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items() if value is not None}
    element = ET.Element(tag, {name: _shown(value) for name, value in given.items()})
    for child in children:
        add(element, child)
    return element


def add(element: Element, child: Child) -> None:
    """Append a child or text."""
    if isinstance(child, str):
        last = element[-1] if len(element) else None
        if last is None:
            element.text = (element.text or "") + child
        else:
            last.tail = (last.tail or "") + child
    elif child is not None:
        element.append(child)


def text(element: Element) -> str:
    """The element as HTML 5."""
    return ET.tostring(element, encoding="unicode", method="html")


def table(
    head: Sequence[str], rows: Iterable[Sequence[Child]], *, numeric: Sequence[int] = (), kind: str = ""
) -> Element:
    """A table that scrolls by itself when the screen is narrow.

    Args:
        head: Names of the columns.
        rows: Cells.
        numeric: Columns that are set flush right.
        kind: Class for the style sheet.
    """

    def cells(tag: str, row: Sequence[Child]) -> list[Element]:
        return [node(tag, child, class_="num" if i in numeric else None) for i, child in enumerate(row)]

    body = [node("tr", *cells("td", row)) for row in rows]
    return node(
        "div",
        node("table", node("thead", node("tr", *cells("th", head))), node("tbody", *body), class_=kind or None),
        class_="scroll",
    )


def section(title: str, *children: Child, note: str = "", wide: bool = False) -> Element:
    """A card with a title, and a sentence on how to read it."""
    said = node("p", note, class_="note") if note else None
    return node("section", node("h2", title), said, *children, class_="card wide" if wide else "card")


def details(summary: str, *children: Child) -> Element:
    """What only some readers want to see."""
    return node("details", node("summary", summary), *children)


def _shown(value: str | float) -> str:
    return value if isinstance(value, str) else f"{round(value, 2):g}"
