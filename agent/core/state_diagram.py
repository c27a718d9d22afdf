"""Tables of states as mermaid diagrams, for the documents that tests hold against the tables."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


def mermaid(first: StrEnum, moves: Iterable[tuple[StrEnum, StrEnum, StrEnum]]) -> str:
    """A state diagram; moves between the same two states share an arrow.

    Args:
        first: Where it begins.
        moves: A state, what leads away from it, and the state after it.
    """
    arrows: dict[tuple[StrEnum, StrEnum], list[str]] = {}
    for state, move, after in moves:
        arrows.setdefault((state, after), []).append(move.value)
    lines = ["stateDiagram-v2", f"    [*] --> {first.value}"]
    lines += [f"    {state.value} --> {after.value}: {', '.join(names)}" for (state, after), names in arrows.items()]
    return "\n".join(lines) + "\n"


def section(begin: str, diagram: str, end: str) -> str:
    """What stands in a document from one marker to the other."""
    return f"{begin}\n```mermaid\n{diagram}```\n{end}"
