"""Numbers that say nothing: dead columns and pixels, copies of a column, silent or blank or saturated examples."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from converter.audit.finding import Finding, Severity, Subject, share

_MAX_EXAMPLES = 20_000
_COPY = 0.9999  # correlation of two columns of which one is enough
_FAR = 30.0  # deviations from the mean that a sensor's value may have
_SATURATED = 0.02  # share of the samples of a clip at its own largest value
_QUIET = 1e-4


def value_findings(subject: Subject) -> Iterator[Finding]:
    """Findings about values."""
    x = subject.data.x
    some = np.sort(np.random.default_rng(0).permutation(len(x))[:_MAX_EXAMPLES])
    if subject.kind == "rows":
        yield from _columns(subject, x.reshape(-1, x.shape[-1]))
    elif subject.kind == "image":
        yield from _pixels(x[some])
    yield from _examples(subject, some)


def _columns(subject: Subject, rows: NDArray[np.generic]) -> Iterator[Finding]:
    names = subject.data.columns or tuple(str(i) for i in range(rows.shape[1]))
    some = rows[:: max(1, len(rows) // 200_000)].astype(np.float64)
    std = some.std(axis=0)
    dead = [names[i] for i in np.flatnonzero(std <= _QUIET * np.maximum(1e-9, np.abs(some).mean(axis=0)))]
    if dead:
        yield Finding(
            check="dead columns",
            severity=Severity.MEDIUM,
            what=f"columns that never change: {', '.join(dead[:8])}",
            advice="look whether the sensor works; leave them out of dataset.columns",
        )
    alive = np.flatnonzero(std > _QUIET)
    scaled = (some[:, alive] - some[:, alive].mean(axis=0)) / std[alive]
    alike = np.abs(scaled.T @ scaled) / len(scaled)
    copies = [f"{names[alive[i]]} = {names[alive[j]]}" for i, j in np.argwhere(np.triu(alike, 1) > _COPY)]
    if copies:
        yield Finding(
            check="copied columns",
            severity=Severity.NOTE,
            what=f"columns that tell the same: {', '.join(copies[:8])}",
            advice="leave one of each out of dataset.columns: less to send and to compute",
        )
    far = [f"{names[alive[i]]} ({np.abs(scaled[:, i]).max():.0f} deviations)" for i in range(len(alive))
           if np.abs(scaled[:, i]).max() > _FAR]  # fmt: skip
    if far:
        yield Finding(
            check="outliers",
            severity=Severity.MEDIUM,
            what=f"values very far from the mean of their column: {', '.join(far[:8])}",
            advice="look for wrong units or codes for missing values such as -999; they stretch the range of int8",
        )


def _pixels(x: NDArray[np.generic]) -> Iterator[Finding]:
    dead = np.asarray(x.max(axis=0) == x.min(axis=0))
    if dead.any():
        rows = np.flatnonzero(~dead.reshape(dead.shape[0], -1).all(axis=1))
        columns = np.flatnonzero(~dead.reshape(dead.shape[0], dead.shape[1], -1).all(axis=(0, 2)))
        inner = f"rows {rows[0]} to {rows[-1]} and columns {columns[0]} to {columns[-1]}" if len(rows) else "nothing"
        yield Finding(
            check="dead pixels",
            severity=Severity.NOTE if dead.mean() < 0.5 else Severity.MEDIUM,
            what=f"{share(int(dead.sum()), dead.size)} of the pixels never change; what changes is in {inner}",
            advice="crop the pictures if the field's look the same, or find out why the camera sees nothing there",
        )


def _examples(subject: Subject, some: NDArray[np.intp]) -> Iterator[Finding]:
    flat = subject.data.x[some].reshape(len(some), -1)
    low, high = flat.min(axis=1).astype(np.float64), flat.max(axis=1).astype(np.float64)
    span = float(np.percentile(high - low, 90)) or 1.0
    blank = np.flatnonzero(high - low <= _QUIET * span)
    if len(blank) and flat.shape[1] > 1:
        yield Finding(
            check="blank examples",
            severity=Severity.MEDIUM,
            what=f"{share(len(blank), len(some))} of {len(some)} examples are one number all over",
            advice="remove silent clips, black pictures and stuck sensors, or give them a class of their own",
            examples=subject.named(some[blank]),
        )
    if subject.kind == "audio":
        top = np.abs(flat).max(axis=1, keepdims=True)
        clipped = np.flatnonzero(((np.abs(flat) >= 0.999 * top).mean(axis=1) > _SATURATED) & (top[:, 0] > _QUIET))
        if len(clipped):
            yield Finding(
                check="saturated clips",
                severity=Severity.NOTE,
                what=f"{share(len(clipped), len(some))} of {len(some)} clips are cut off at their loudest",
                advice="record with less gain, or be sure that the field's microphone does the same",
                examples=subject.named(some[clipped]),
            )
