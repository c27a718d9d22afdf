"""Runs a benchmark by its module's name, prints its table and writes its figures.

A benchmark is a module `tests/benchmarks/NAME.py` with `run() -> Report`. Figures that somebody asked for are targets:
a missed one makes the exit code 1. Nothing here is a timed test: the figures are for a quiet machine.
"""

from __future__ import annotations

import argparse
import importlib
import json
import operator
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

HERE = Path(__file__).parent
Value = bool | int | float | str | None
Op = Literal["<=", "<", ">=", ">", "=="]
COMPARE: Final = {"<=": operator.le, "<": operator.lt, ">=": operator.ge, ">": operator.gt, "==": operator.eq}


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One line of the table: what was measured, and its figures by column, the unit in the column's name."""

    name: str
    values: Mapping[str, Value]


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A figure that was asked for: `value op target` has to hold."""

    name: str
    value: float
    op: Op
    target: float

    @property
    def met(self) -> bool:
        """Whether it holds. A value that is no number never does."""
        return bool(COMPARE[self.op](self.value, self.target))


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What a benchmark found."""

    rows: Sequence[Row]
    targets: Sequence[Target] = ()
    notes: Sequence[str] = field(default=())
    """How it was measured, in sentences."""


def names() -> list[str]:
    """List the benchmarks that there are."""
    return sorted(path.stem for path in HERE.glob("*.py") if path.stem not in {"__init__", "harness"})


def machine() -> dict[str, Value]:
    """Describe this machine, for figures to be compared with care."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [line.partition(":") for line in cpuinfo.read_text(encoding="utf-8").splitlines()]
        found = {key.strip(): value.strip() for key, _, value in lines}
        model = found.get("Model") or found.get("model name") or model
    return {
        "system": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "processor": model,
        "cores": os.cpu_count(),
        "load_1min": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
    }


def to_json(name: str, report: Report) -> dict[str, object]:
    """Return the report as `--json` writes it."""
    return {
        "name": name,
        "machine": machine(),
        "rows": [{"name": row.name, **row.values} for row in report.rows],
        "targets": [
            {"name": one.name, "value": one.value, "target": one.target, "op": one.op, "met": one.met}
            for one in report.targets
        ],
        "notes": list(report.notes),
    }


def format_report(report: Report) -> str:
    """Return the report as text: a table, the targets, the notes."""
    columns = list(dict.fromkeys(column for row in report.rows for column in row.values))
    table = [["", *columns]]
    table += [[row.name, *(_format(row.values.get(column)) for column in columns)] for row in report.rows]
    widths = [max(len(line[at]) for line in table) for at in range(len(columns) + 1)]
    lines = [
        "  ".join(
            [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]
        )
        for line in table
    ]
    for one in report.targets:
        verdict = "met" if one.met else "MISSED"
        lines.append(f"{verdict:<7}{one.name}: {_format(one.value)} (asked: {one.op} {_format(one.target)})")
    lines += report.notes
    return "\n".join(line.rstrip() for line in lines)


def _format(value: Value) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main(argv: Sequence[str]) -> int:
    """Run one benchmark.

    Returns:
        0 when all targets are met, 1 when one is missed, 2 for an unknown name.
    """
    parser = argparse.ArgumentParser(prog="python3 -m tests benchmarks")
    parser.add_argument("name", nargs="?", help="which one; none lists them")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures there")
    options = parser.parse_args(argv)
    if options.name not in names():
        asked = f"unknown benchmark {options.name!r}; " if options.name else ""
        print(f"{asked}benchmarks: {', '.join(names()) or 'none yet'}")
        return 2
    report: Report = importlib.import_module(f"tests.benchmarks.{options.name}").run()
    print(format_report(report))
    if options.json is not None:
        options.json.write_text(json.dumps(to_json(options.name, report), indent=2) + "\n", encoding="utf-8")
    return int(not all(one.met for one in report.targets))
