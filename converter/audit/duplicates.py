"""The same example twice: exactly, or nearly so; across parts it makes figures too good, and with two labels one lies.

Nearly the same are two pictures, clips or windows whose numbers correlate: brightness, contrast and compression may
differ. Candidates are neighbours among descriptors of 64 numbers in a k-d tree; all of their numbers then decide.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from converter.audit.finding import SHOWN, Finding, Severity, Subject, share

NEAR = 0.99  # correlation of two examples that count as nearly the same; a JPEG of a picture has more, a twin less
_TELLING = 4  # numbers of an example that are not equal to another's by chance
_CELLS = 8  # descriptor: 8 x 8 cells of a picture, 64 stretches of a clip
_AXES = 10  # principal axes of the tree: k-d trees slow down in more dimensions
_RADIUS = 0.15  # of the descriptors on the unit sphere; correlation 0.99 is a distance of 0.14
_NEIGHBOURS = 4
_MIN_STD = 1e-6
_HARMFUL = 0.005  # share of the test part, or of all labels: as much as the gate lets a model lose
_ADVICE = (
    "remove them from one of the parts, or give what belongs together one group (dataset.group_column, or "
    "(?P<group>...) in dataset.pattern): no split cuts a group"
)

Pairs = NDArray[np.intp]


def duplicate_findings(subject: Subject) -> Iterator[Finding]:
    """Findings about examples that are there more than once."""
    if subject.data.x[0].size < _TELLING:
        return
    exact = exact_pairs(subject.data.x)
    yield from _findings(subject, exact, "equal")
    if subject.data.x[0].size >= _CELLS and (subject.kind != "rows" or subject.data.x.ndim > 2):
        near = near_pairs(_alike_columns(subject.data.x) if subject.kind == "rows" else subject.data.x, subject.kind)
        known = set(map(tuple, exact.tolist()))
        others = np.array([pair for pair in near.tolist() if tuple(pair) not in known], np.intp).reshape(-1, 2)
        yield from _findings(subject, _of_other_recordings(subject, others), "nearly equal")


def exact_pairs(x: NDArray[np.generic]) -> Pairs:
    """Each example that equals an earlier one, with the first such, (m, 2)."""
    first: dict[bytes, int] = {}
    pairs = []
    for index, example in enumerate(np.ascontiguousarray(x).reshape(len(x), -1)):
        key = hashlib.blake2b(example.data, digest_size=16).digest()
        earlier = first.setdefault(key, index)
        if earlier != index:
            pairs.append((earlier, index))
    return np.array(pairs, np.intp).reshape(-1, 2)


def near_pairs(x: NDArray[np.generic], kind: str) -> Pairs:
    """Pairs (m, 2) of examples whose numbers correlate by at least ``NEAR``; a few neighbours of each are tried."""
    from scipy.spatial import cKDTree

    descriptors, is_lively = _descriptors(x, kind)
    lively = np.flatnonzero(is_lively)
    if len(lively) < 2:
        return np.zeros((0, 2), np.intp)
    points = _principal(descriptors[lively])
    neighbours = min(_NEIGHBOURS + 1, len(lively))
    _, found = cKDTree(points).query(points, k=neighbours, distance_upper_bound=_RADIUS)
    rows = np.repeat(np.arange(len(lively)), neighbours)
    columns = found.reshape(-1)
    is_pair = (columns < len(lively)) & (columns != rows)
    ordered = np.sort(np.stack([lively[rows[is_pair]], lively[columns[is_pair]]], axis=1), axis=1)
    pairs = np.unique(ordered, axis=0)
    near = [_correlation(x[first], x[second]) >= NEAR for first, second in pairs]
    return np.asarray(pairs[np.array(near, bool)], np.intp).reshape(-1, 2)


def _alike_columns(x: NDArray[np.generic]) -> NDArray[np.float32]:
    """Windows (n, length, columns) with columns of equal weight; otherwise that of the largest numbers decides."""
    values = x.reshape(-1, x.shape[-1])
    mean, std = values.mean(axis=0, dtype=np.float64), values.std(axis=0, dtype=np.float64)
    return np.asarray((x - mean.astype(np.float32)) / np.maximum(std, _MIN_STD).astype(np.float32), np.float32)


def _descriptors(x: NDArray[np.generic], kind: str) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Unit vectors (n, d) that nearly equal examples share, and which examples are not all the same number."""
    made = []
    for start in range(0, len(x), 1000):
        values = x[start : start + 1000].astype(np.float32)
        if kind == "image":
            values = values.mean(axis=3) if values.ndim == 4 else values
            values = _cells(_cells(values, 1, _CELLS), 2, _CELLS)
        elif kind == "audio":
            values = _cells(np.abs(values.reshape(len(values), -1)), 1, _CELLS * _CELLS)
        else:
            values = _cells(values, 1, _CELLS)
        made.append(values.reshape(len(values), -1))
    flat = np.concatenate(made)
    flat -= flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1)
    return flat / np.maximum(length, _MIN_STD)[:, None], length > _MIN_STD


def _cells(values: NDArray[np.float32], axis: int, count: int) -> NDArray[np.float32]:
    """Means of stretches along an axis."""
    size = values.shape[axis]
    count = min(count, size)
    starts = np.arange(count) * size // count
    widths = np.diff(np.append(starts, size)).astype(np.float32)
    shape = [1] * values.ndim
    shape[axis] = count
    return np.asarray(np.add.reduceat(values, starts, axis=axis) / widths.reshape(shape), np.float32)


def _principal(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    centred = vectors - vectors.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    return np.asarray(centred @ axes[:, -_AXES:])


def _correlation(one: NDArray[np.generic], other: NDArray[np.generic]) -> float:
    a, b = one.reshape(-1).astype(np.float64), other.reshape(-1).astype(np.float64)
    a, b = a - a.mean(), b - b.mean()
    length = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / length if length > _MIN_STD else 0.0


def _of_other_recordings(subject: Subject, pairs: Pairs) -> Pairs:
    """Without windows that overlap in the same recording."""
    data = subject.data
    recording = data.file if data.group is None else data.group
    if recording is None or subject.kind != "rows":
        return pairs
    return np.asarray(pairs[recording[pairs[:, 0]] != recording[pairs[:, 1]]])


def _findings(subject: Subject, pairs: Pairs, how: str) -> Iterator[Finding]:
    if not len(pairs):
        return
    part, y = subject.part_of(), subject.data.y
    one, other = part[pairs[:, 0]], part[pairs[:, 1]]
    differ = y[pairs[:, 0]] != y[pairs[:, 1]]
    if differ.any():
        count = len(np.unique(pairs[differ, 1]))
        is_harmful = how == "equal" and count >= _HARMFUL * len(y)
        yield Finding(
            check="conflicting labels",
            severity=Severity.HIGH if is_harmful else Severity.MEDIUM,
            what=f"{share(count, len(y))} of {len(y)} examples are {how} to one of another class",
            advice="look at them and mend the wrong labels, or leave both out",
            examples=_named(subject, pairs[differ]),
        )
    for number, name in ((2, "test"), (1, "profile")):
        crossing = ((one == number) | (other == number)) & (one != other) & (one >= 0) & (other >= 0)
        crossing &= (one == 0) | (other == 0) if number == 2 else (one != 2) & (other != 2)
        if crossing.any():
            members = np.unique(np.where(one == number, pairs[:, 0], pairs[:, 1])[crossing])
            total = int((part == number).sum())
            is_harmful = how == "equal" and name == "test" and len(members) >= _HARMFUL * total
            yield Finding(
                check="duplicates across parts",
                severity=Severity.HIGH if is_harmful else Severity.MEDIUM,
                what=f"{share(len(members), total)} of the {name} part are {how} to examples of the training part",
                advice=_ADVICE,
                examples=_named(subject, pairs[crossing]),
            )
    within = (one == other) & ~differ
    if within.any():
        count = len(np.unique(pairs[within, 1]))
        yield Finding(
            check="duplicates",
            severity=Severity.NOTE,
            what=f"{share(count, len(y))} of {len(y)} examples are {how} to another of their part",
            advice="they count twice in training and in figures; remove them if they are no natural repetition",
            examples=_named(subject, pairs[within]),
        )


def _named(subject: Subject, pairs: Pairs) -> tuple[str, ...]:
    data = subject.data
    return tuple(
        f"{data.name_of(int(first))} ({data.labels[data.y[first]]}) = "
        f"{data.name_of(int(second))} ({data.labels[data.y[second]]})"
        for first, second in pairs[:SHOWN]
    )
