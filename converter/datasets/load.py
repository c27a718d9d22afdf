"""Load a data set by its name: ``mnist5k``, ``digits`` or ``npz:PATH``; nothing is downloaded."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.datasets import packaged
from converter.errors import DatasetError
from edge_models.errors import ArchiveError
from edge_models.npz import read_npz

MAX_DATA_BYTES = 4 << 30
MAX_CLASSES = 10_000  # as many labels as a manifest holds
MAX_AXES = 6  # of a frame: as many as a TensorSpec describes
WANTED = "expected x (n, ...) numbers and y (n,) class indices"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dataset:
    """Examples as a source would deliver them.

    Attributes:
        x: Frames (n, ...) in the data set's own dtype.
        y: Class index of each, (n,) int64.
        labels: Name of each class.
        group: Number of the site, device or season of each example, (n,) int64; None without groups.
        sha256: Digest of all of it.
    """

    x: NDArray[Any]
    y: NDArray[np.int64]
    labels: tuple[str, ...]
    group: NDArray[np.int64] | None
    sha256: str


def load_dataset(source: str, *, labels: Sequence[str] = (), limit: int | None = None, seed: int = 0) -> Dataset:
    """Load and check a data set.

    Args:
        source: Its name.
        labels: Class names; the data's own, or the indices, when empty.
        limit: Keep at most so many examples, chosen at random.
        seed: Of that choice.

    Raises:
        DatasetError: Unknown, missing, malformed, too few classes or values that are not finite.
    """
    kind, _, path = source.partition(":")
    x: NDArray[Any]
    group: NDArray[np.int64] | None = None
    if source in packaged.NAMES:
        x, y = packaged.load_packaged(source)
    elif kind == "npz" and path:
        x, y, group = read_examples(Path(path))
    else:
        raise DatasetError(f"dataset.source: found {source!r}, expected {', '.join(packaged.NAMES)} or npz:PATH")
    if limit is not None and limit < len(x):
        kept = np.sort(np.random.default_rng(seed).permutation(len(x))[:limit])
        x, y, group = x[kept], y[kept], None if group is None else group[kept]
    _check_classes(source, y, len(labels) or MAX_CLASSES)
    names = tuple(labels) or tuple(str(i) for i in range(int(y.max()) + 1))
    return Dataset(x=x, y=y, labels=names, group=group, sha256=_digest(x, y, group))


def read_examples(path: Path) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.int64] | None]:
    """``x`` (n, ...), ``y`` (n,) and, where there is one, ``group`` (n,) of an npz file; at least one example.

    Raises:
        DatasetError: It cannot be read, the arrays do not fit each other, or a value is not finite.
    """
    try:
        arrays = read_npz(path, max_bytes=MAX_DATA_BYTES)
    except ArchiveError as exc:
        raise DatasetError(f"{exc}; {WANTED}") from exc
    if not {"x", "y"} <= set(arrays):
        raise DatasetError(f"{path}: found arrays {', '.join(sorted(arrays)) or 'none'}, {WANTED}")
    x, y, group = arrays["x"], arrays["y"], arrays.get("group")
    if not 2 <= x.ndim <= MAX_AXES + 1 or y.shape != x.shape[:1] or y.dtype.kind not in "iu":
        raise DatasetError(f"{path}: found x {x.shape} {x.dtype} and y {y.shape} {y.dtype}, {WANTED}")
    if not x.size:
        raise DatasetError(f"{path}: found no examples in x {x.shape}, {WANTED}")
    if group is not None and (group.shape != y.shape or group.dtype.kind not in "iu"):
        raise DatasetError(f"{path}: found group {group.shape} {group.dtype}, expected one integer for each example")
    _check_finite(path, x)
    return x, y.astype(np.int64), None if group is None else group.astype(np.int64)


def _check_finite(path: Path, x: NDArray[Any]) -> None:
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        bad = int(np.flatnonzero(~np.isfinite(x.reshape(len(x), -1)).all(axis=1))[0])
        raise DatasetError(f"{path}: found NaN or infinity in example {bad}, expected finite numbers; drop such rows")


def _check_classes(source: str, y: NDArray[np.int64], classes: int) -> None:
    if int(y.min()) < 0 or int(y.max()) >= classes:
        raise DatasetError(
            f"{source}: found labels {y.min()} to {y.max()}, expected 0 to {classes - 1}; number the classes from 0"
        )
    if len(np.unique(y)) < 2:
        raise DatasetError(f"{source}: found examples of one class only, expected at least two classes")


def _digest(x: NDArray[Any], y: NDArray[np.int64], group: NDArray[np.int64] | None) -> str:
    digest = hashlib.sha256()
    for array in (x, y) if group is None else (x, y, group):
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
