"""Leakage: a class that can be read from one simple number, a column or the group, and not from what matters."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from converter.audit.finding import Finding, Severity, Subject

READABLE = 0.97  # balanced accuracy of one number alone that is too good to be true
ALIKE, VERY_ALIKE = 0.5, 0.8  # correlation of a column with its next row
_MAX_NEIGHBOURS = 200_000
_BINS = 64
_MAX_EXAMPLES = 50_000
_MIN_EXAMPLES = 40


def shortcut_findings(subject: Subject) -> Iterator[Finding]:
    """Findings about numbers and groups that give the class away."""
    data = subject.data
    some = np.random.default_rng(0).permutation(len(data.x))[:_MAX_EXAMPLES]
    if len(some) < _MIN_EXAMPLES:
        return
    names, values = simple_numbers(data.x[some], subject.kind, data.columns)
    for name, column in zip(names, values.T, strict=True):
        found = readable(column, data.y[some])
        if found >= READABLE:
            yield Finding(
                check="leakage",
                severity=Severity.HIGH,
                what=f"{name} alone tells the class in {100 * found:.1f} % of cases (balanced accuracy)",
                advice="leave it out if it is a copy of the label or not known in the field (dataset.columns), or "
                "record the classes under the same conditions; if it is the effect itself, a threshold will do",
            )
    if data.group is None and subject.kind == "rows" and data.x.ndim == 2:
        yield from _neighbour_findings(subject)
    if data.group is not None and not subject.by_blocks:
        yield from _group_findings(subject, data.group)


def simple_numbers(
    x: NDArray[np.generic], kind: str, columns: tuple[str, ...]
) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Names (k,) and values (n, k) of numbers that have little to do with what an example shows."""
    flat = x.reshape(len(x), -1).astype(np.float32)
    if kind == "rows" and x.ndim == 2:
        names = columns or tuple(str(i) for i in range(flat.shape[1]))
        return tuple(f"column {name}" for name in names), flat.astype(np.float64)
    if kind == "rows":
        values = x.reshape(len(x), x.shape[1], -1).astype(np.float64)
        names = columns or tuple(str(i) for i in range(values.shape[2]))
        means = tuple(f"the mean of column {name}" for name in names)
        return means, values.mean(axis=1)
    if kind == "audio":
        is_sound = flat != 0
        length = is_sound.shape[1] - is_sound[:, ::-1].argmax(axis=1) - is_sound.argmax(axis=1)
        level = np.sqrt(np.square(flat, dtype=np.float64).mean(axis=1))
        offset = flat.mean(axis=1, dtype=np.float64)
        return ("the length without padding", "the level", "the offset"), np.stack([length, level, offset], axis=1)
    height, width = x.shape[1:3]
    corner = x[:, : max(1, height // 8), : max(1, width // 8)].reshape(len(x), -1).astype(np.float64)
    numbers = [flat.mean(axis=1), flat.std(axis=1), flat.min(axis=1), flat.max(axis=1), corner.mean(axis=1)]
    named = ("the mean brightness", "the contrast", "the darkest pixel", "the brightest pixel", "the corner")
    return named, np.stack(numbers, axis=1).astype(np.float64)


def readable(values: NDArray[np.float64], y: NDArray[np.int64]) -> float:
    """Balanced accuracy of guessing the class from the bin of one number, learnt on one half and tried on the other.

    Examples:
        >>> y = np.arange(200) % 2
        >>> readable(y * 3.0, y), round(readable(np.ones(200), y), 2)
        (1.0, 0.5)
    """
    edges = np.unique(np.quantile(values, np.linspace(0, 1, _BINS + 1)[1:-1]))
    bins = np.searchsorted(edges, values, side="right")
    classes, y = np.unique(y, return_inverse=True)
    half = np.random.default_rng(1).random(len(y)) < 0.5
    counts = np.zeros((_BINS + 1, len(classes)))
    np.add.at(counts, (bins[half], y[half]), 1)
    guess = (counts / np.maximum(counts.sum(axis=0), 1)).argmax(axis=1)  # as if the classes were equally common
    right = guess[bins[~half]] == y[~half]
    of_class = [right[y[~half] == name].mean() for name in range(len(classes)) if (y[~half] == name).any()]
    return float(np.mean(of_class)) if of_class else 0.0


def likeness_of_neighbours(x: NDArray[np.generic], y: NDArray[np.int64], file: NDArray[np.int64] | None) -> float:
    """Largest correlation 0..1 of a column with itself one row later, in one file and beside what the class explains.

    Args:
        x: Rows (n, columns) in the order of the data.
        y: Class of each, (n,).
        file: File of each, (n,), or None.
    """
    rows = x[:_MAX_NEIGHBOURS].astype(np.float64)
    classes, number = np.unique(y[: len(rows)], return_inverse=True)
    for name in range(len(classes)):
        rows[number == name] -= rows[number == name].mean(axis=0)
    follows = np.ones(len(rows) - 1, bool) if file is None else file[: len(rows) - 1] == file[1 : len(rows)]
    energy = np.square(rows).mean(axis=0)
    alike = (rows[:-1] * rows[1:])[follows].mean(axis=0) if follows.any() else np.zeros(rows.shape[1])
    return float(np.max(np.where(energy > 0, alike / np.maximum(energy, 1e-30), 0.0)))


def _neighbour_findings(subject: Subject) -> Iterator[Finding]:
    data = subject.data
    alike = likeness_of_neighbours(data.x, data.y, data.file)
    if alike >= ALIKE:
        yield Finding(
            check="leakage",
            severity=Severity.HIGH if alike >= VERY_ALIKE else Severity.MEDIUM,
            what=f"rows are in the order of time and alike to the next one (correlation {alike:.2f}), but no group "
            "keeps neighbours in one part",
            advice="cut recordings into stretches with dataset.blocks, or name groups (dataset.group_column): figures "
            "on neighbours of what was learnt are too good",
        )


def _group_findings(subject: Subject, group: NDArray[np.int64]) -> Iterator[Finding]:
    data = subject.data
    counts = np.zeros((len(data.groups), len(data.labels)), np.int64)
    np.add.at(counts, (group, data.y), 1)
    present = counts[counts.sum(axis=1) > 0]
    single = np.flatnonzero((counts > 0).sum(axis=0) == 1)
    if len(single) and len(present) > 1:
        yield Finding(
            check="leakage",
            severity=Severity.HIGH if len(single) == (counts.sum(axis=0) > 0).sum() else Severity.MEDIUM,
            what=f"each of {len(single)} classes is in one group only: {', '.join(data.labels[i] for i in single[:8])}",
            advice="a model may learn the group instead, and such a class cannot be tested on a new group; bring the "
            "class from more groups",
        )
    if len(present) > 1 and ((present > 0).sum(axis=1) == 1).all() and len(single) == 0:
        yield Finding(
            check="leakage",
            severity=Severity.NOTE,
            what=f"each of {len(present)} groups has one class only",
            advice="what a group has in common is learnt with the class; look at the figures of groups",
        )
