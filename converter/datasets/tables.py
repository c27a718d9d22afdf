"""``csv:`` rows of numbers in a file, a folder or a zip archive, with the class in a column, a file or the path."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from converter.datasets.examples import Examples, Integers, coded
from converter.datasets.places import CONTEXT, Place, contexts_of, groups_of, parts_of, places_of
from converter.datasets.tree import Tree
from converter.errors import DatasetError
from converter.progress import Progress
from converter.recipe.dataset import DatasetRecipe

SUFFIXES = (".csv", ".tsv", ".dat", ".txt")
_SEPARATORS = (";", "\t", ",", "|")
_LOOKED_AT = 20  # rows that tell whether a column holds numbers
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+")
_MISSING = ("", "nan", "na", "n/a", "null", "none", "-", "?")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    where: str
    header: tuple[str, ...]
    rows: list[list[str]]
    lines: list[int]

    def column(self, name: str) -> list[str]:
        """Cells of a column without blanks at their ends."""
        if name not in self.header:
            raise DatasetError(
                f"{self.where}: found columns {', '.join(self.header)}, expected {name} among them; mend the name"
            )
        position = self.header.index(name)
        return [row[position].strip() for row in self.rows]

    def numbers(self, names: Sequence[str]) -> NDArray[np.float32]:
        """Cells of columns as numbers, (n, columns)."""
        cells = [self.column(name) for name in names]
        try:
            with np.errstate(over="ignore"):
                values = np.array(cells).astype(np.float64).astype(np.float32).T
        except ValueError:
            values = np.array([[_number(cell) for cell in column] for column in cells], np.float32).T
        finite = np.isfinite(values)
        if not finite.all():
            row, column = (int(i) for i in np.argwhere(~finite)[0])
            raise DatasetError(
                f"{self.where} line {self.lines[row]}: found {cells[column][row]!r} in column {names[column]}, "
                "expected a finite number; fill or drop such rows, or leave the column out of dataset.columns"
            )
        return np.ascontiguousarray(values)


def load_tables(
    tree: Tree, section: DatasetRecipe, progress: Progress, *, labelled: bool, context: str | None = None
) -> Examples:
    """The rows of all files one after the other, (n, columns) float32.

    Args:
        tree: The files.
        section: Says which columns and where the classes are.
        progress: Told after each file.
        labelled: Rows need a class.
        context: Column that tells the condition of a row, or ``context`` where the pattern does; None for none.

    Raises:
        DatasetError: No rows, a missing column or class, or a cell that is no number.
    """
    by_column = section.label_column is not None or section.label_file is not None
    suffixes: tuple[str, ...] = SUFFIXES if section.pattern is not None else SUFFIXES[:2]
    pattern = section.pattern if labelled else None
    if len(tree.names) == 1:
        suffixes = (PurePosixPath(tree.names[0]).suffix.lower(),)
    places = places_of(tree, suffixes, pattern, "tables", by_folder=labelled and not by_column)
    places = [place for place in places if place.name != section.label_file]
    tables = []
    for number, place in enumerate(places, start=1):
        tables.append(_parsed(tree, place.name))
        progress.step("data", number, len(places), place.name)
    columns = section.columns or _numeric(tables[0], {section.label_column, section.group_column, context})
    file = np.repeat(np.arange(len(tables)), [len(table.rows) for table in tables])
    labels, label = coded(_labels(tree, section, places, tables)) if labelled else ((), None)
    groups, group = groups_of(places, tree.where)
    group = None if group is None else group[file]
    if section.group_column is not None and labelled:
        groups, group = coded([cell for table in tables for cell in _named_cells(table, section.group_column, "group")])
    contexts, condition = _contexts(tree, places, tables, context)
    part = parts_of(places)
    return Examples(
        x=np.concatenate([table.numbers(columns) for table in tables]),
        label=label,
        labels=labels,
        group=group,
        groups=groups,
        context=condition,
        contexts=contexts,
        part=None if part is None else part[file],
        file=file,
        names=tuple(place.name for place in places),
        columns=tuple(columns),
    )


def _contexts(
    tree: Tree, places: Sequence[Place], tables: Sequence[_Table], source: str | None
) -> tuple[tuple[str, ...], Integers | None]:
    """Names of the conditions and the condition of each row: its cell, or what the path of its table says."""
    by_path = source == CONTEXT and not any(CONTEXT in table.header for table in tables)
    if source is None or by_path:
        names, condition = contexts_of(places, source, tree.where)
        rows = np.repeat(np.arange(len(tables)), [len(table.rows) for table in tables])
        return names, None if condition is None else condition[rows]
    return coded([cell for table in tables for cell in _named_cells(table, source, "condition")])


def _parsed(tree: Tree, name: str) -> _Table:
    where = f"{tree.where}/{name}"
    try:
        text = tree.bytes_of(name).decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise DatasetError(f"{where}: found bytes that are no UTF-8 text, expected a table; save it as UTF-8") from exc
    first = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(_SEPARATORS, key=first.count)
    if separator not in first and len(first.split()) > 1 and all(_is_number(cell) for cell in first.split()):
        separator = " "
    reader = csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True)
    rows, lines = [], []
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append(row[:-1] if separator == " " and not row[-1] else row)
                lines.append(reader.line_num)
    except csv.Error as exc:
        raise DatasetError(f"{where} line {reader.line_num}: {exc}; expected a table with a row in each line") from exc
    has_header = bool(rows) and not all(_is_number(cell) or cell.strip().lower() in _MISSING for cell in rows[0])
    if len(rows) <= has_header:
        raise DatasetError(f"{where}: found no rows, expected some; add them or remove the file")
    header = tuple(cell.strip() for cell in rows[0]) if has_header else tuple(str(i) for i in range(len(rows[0])))
    twice = next((name for name in header if name and header.count(name) > 1), None)
    if twice is not None:
        raise DatasetError(f"{where}: found column {twice} twice, expected different names; rename one of them")
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(header):
            raise DatasetError(
                f"{where} line {line}: found {len(row)} cells, expected {len(header)} as in line {lines[0]}"
            )
    return _Table(where=where, header=header, rows=rows[has_header:], lines=lines[has_header:])


def _numeric(table: _Table, others: set[str | None]) -> tuple[str, ...]:
    """Columns that hold numbers, but for those with another meaning."""
    found = []
    for name in table.header:
        if name in others:
            continue
        known = [cell for cell in table.column(name) if cell.lower() not in _MISSING]
        if known and all(_is_number(cell) for cell in known[:_LOOKED_AT]):
            found.append(name)
        elif known and all(_DECIMAL_COMMA.fullmatch(cell) or _is_number(cell) for cell in known[:_LOOKED_AT]):
            raise DatasetError(
                f"{table.where}: found numbers with a comma in column {name}, expected a point as in 1.5; "
                "replace the commas, or name dataset.columns without it"
            )
    if not found:
        raise DatasetError(
            f"{table.where}: found no column of numbers in {', '.join(table.header)}, expected some; "
            "name dataset.columns"
        )
    return tuple(found)


def _labels(tree: Tree, section: DatasetRecipe, places: Sequence[Place], tables: Sequence[_Table]) -> list[str]:
    """Class of each row: its cell, its line in the file of classes, or what the path of its table says."""
    if section.label_file is not None:
        return _label_file(tree, section.label_file, tables)
    named = section.label_column
    if named is not None and not any(named in table.header for table in tables):
        tables[0].column(named)  # refuses
    labels: list[str] = []
    for place, table in zip(places, tables, strict=True):
        by_path = place.label if section.pattern is not None or named is None else None
        if named is not None and (named in table.header or by_path is None):
            labels += _named_cells(table, named, "class")
        elif by_path is not None:
            labels += [by_path] * len(table.rows)
        else:
            raise DatasetError(
                f"{table.where}: found no class for its rows, expected dataset.label_column, dataset.label_file, "
                "a folder of its class's name, or dataset.pattern with (?P<label>...)"
            )
    return labels


def _named_cells(table: _Table, column: str, what: str) -> list[str]:
    cells = [_whole(cell) for cell in table.column(column)]
    missing = next((row for row, cell in enumerate(cells) if cell.lower() in _MISSING), None)
    if missing is not None:
        raise DatasetError(
            f"{table.where} line {table.lines[missing]}: found {cells[missing]!r} in column {column}, expected a "
            f"{what}; fill it in or drop the row"
        )
    return cells


def _label_file(tree: Tree, name: str, tables: Sequence[_Table]) -> list[str]:
    lines = [line.strip() for line in tree.bytes_of(name).decode("utf-8-sig", "replace").splitlines() if line.strip()]
    rows = len(tables[0].rows)
    if len(tables) > 1:
        raise DatasetError(
            f"{tree.where}: found dataset.label_file and {len(tables)} tables, expected one; "
            "choose it with dataset.pattern"
        )
    if len(lines) - rows not in (0, 1):
        raise DatasetError(f"{tree.where}/{name}: found {len(lines)} lines, expected a class for each of {rows} rows")
    return [_whole(line) for line in lines[len(lines) - rows :]]


def _whole(cell: str) -> str:
    """1.0 is the class 1."""
    return cell[:-2] if cell.endswith(".0") and cell[:-2].lstrip("-").isdecimal() else cell


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _number(cell: str) -> float:
    return float(cell) if _is_number(cell) else float("nan")
