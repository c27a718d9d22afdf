"""How commands print: JSON for programs, tables for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence

_WIDEST = 4096  # characters in a line of a file


def say(text: str) -> None:
    """One line on stdout, at once: whoever waits for a daemon's first line reads through a pipe."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def warn(text: str) -> None:
    """One line on stderr that is no error."""
    sys.stderr.write(text + "\n")


def print_json(value: object) -> None:
    """One JSON document on one line."""
    say(json.dumps(value, ensure_ascii=False, allow_nan=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """A table, or the sentence ``empty`` when there are no rows.

    Nothing is ever cut off, because ids are there to be copied: on a narrow terminal cells are folded, and a pipe or a
    file gets lines as long as they need to be.
    """
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    console = Console(width=None if sys.stdout.isatty() else _WIDEST)
    console.print(table if table.row_count else empty, markup=False)
