"""Labelled data for a wrapped model: an .npz with whatever else is in it, or any other source of a recipe."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.datasets.load import read_source
from converter.datasets.split import stratified
from converter.errors import DatasetError
from converter.progress import Progress
from converter.recipe import DatasetRecipe

_WANTED = "expected arrays x (n, ...) of numbers and y (n,) of class indices"
_SPELLINGS = {"x": ("x", "X"), "y": ("y", "Y")}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Labelled:
    """Examples with classes.

    Attributes:
        where: Their place, for messages.
        x: Frames (n, ...).
        y: Class of each, (n,) int64.
        labels: Names of the classes, as --labels or the data say; empty where neither does.
        group: Group of each, (n,) int64, or None.
        group_names: Names of the groups; their numbers when empty.
        rate_hz: Samples in a second of audio; None for the rest.
    """

    where: str
    x: NDArray[Any]
    y: NDArray[np.int64]
    labels: tuple[str, ...] = ()
    group: NDArray[np.int64] | None = None
    group_names: tuple[str, ...] = ()
    rate_hz: float | None = None

    @property
    def sha256(self) -> str:
        """Digest of frames and classes."""
        digest = hashlib.sha256()
        for array in (self.x, self.y):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def take(self, chosen: NDArray[np.intp]) -> Labelled:
        """The chosen examples only."""
        return replace(
            self, x=self.x[chosen], y=self.y[chosen], group=None if self.group is None else self.group[chosen]
        )


def read_labelled(section: DatasetRecipe, seed: int, progress: Progress) -> Labelled:
    """The examples of a recipe's data, all of them: none is for training.

    Raises:
        DatasetError: They cannot be read, or have classes that the labels do not name.
    """
    kind, _, path = section.source.partition(":")
    if kind == "npz":
        data = replace(read_npz_examples(Path(path)), labels=section.labels)
    else:
        found = read_source(section, section.source, progress)
        if found.label is None:
            raise DatasetError(f"{section.source}: found no classes, expected one for each example")
        data = Labelled(
            where=section.source,
            x=found.x,
            y=_numbered(section, found.label, found.labels),
            labels=section.labels or found.labels,
            group=found.group,
            group_names=found.groups,
            rate_hz=found.rate_hz,
        )
    return data if section.limit is None else data.take(stratified(data.y, section.limit, seed))


def _numbered(section: DatasetRecipe, y: NDArray[np.int64], found: tuple[str, ...]) -> NDArray[np.int64]:
    """Classes as --labels numbers them, where the data name theirs."""
    if not section.labels or not found:
        return y
    wanted = {name.casefold(): number for number, name in enumerate(section.labels)}
    strange = [name for name in found if name.casefold() not in wanted]
    if not strange:
        return np.array([wanted[name.casefold()] for name in found], np.int64)[y]
    if all(name.isdecimal() for name in found):
        return np.array([int(name) for name in found], np.int64)[y]
    raise DatasetError(
        f"{section.source}: found class {strange[0]!r}, expected one of --labels, such as {section.labels[0]!r}; "
        "name the folders as the labels, or number them from 0"
    )


def read_npz_examples(path: Path) -> Labelled:
    """x, y and perhaps group and rate_hz of an .npz; other arrays, such as names, are left alone.

    Raises:
        DatasetError: It cannot be read, or the arrays do not fit each other.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            found = {name: _member(archive, spellings) for name, spellings in _SPELLINGS.items()}
            found |= {name: _member(archive, (name,)) for name in ("group", "rate_hz")}
            arrays = {name: array for name, array in found.items() if array is not None}
            names = archive.files
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else "not a readable .npz"
        raise DatasetError(f"{path}: {reason}; {_WANTED}") from exc
    if not {"x", "y"} <= set(arrays):
        raise DatasetError(f"{path}: found arrays {', '.join(sorted(names)) or 'none'}, {_WANTED}")
    _check(path, arrays)
    group, rate = arrays.get("group"), arrays.get("rate_hz")
    return Labelled(
        where=str(path),
        x=arrays["x"],
        y=arrays["y"].astype(np.int64),
        group=None if group is None else group.astype(np.int64),
        rate_hz=None if rate is None else float(rate),
    )


def _member(archive: Any, spellings: tuple[str, ...]) -> NDArray[Any] | None:  # noqa: ANN401 - NpzFile has no types
    name = next((name for name in spellings if name in archive.files), None)
    return None if name is None else np.asarray(archive[name])


def _check(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    x, y, group = arrays["x"], arrays["y"], arrays.get("group")
    if x.ndim < 2 or not x.size or x.dtype.kind not in "iuf" or y.shape != x.shape[:1] or y.dtype.kind not in "iu":
        raise DatasetError(f"{path}: found x {x.shape} {x.dtype} and y {y.shape} {y.dtype}, {_WANTED}")
    if group is not None and (group.shape != y.shape or group.dtype.kind not in "iu"):
        raise DatasetError(f"{path}: found group {group.shape} {group.dtype}, expected one integer for each example")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        bad = int(np.flatnonzero(~np.isfinite(x.reshape(len(x), -1)).all(axis=1))[0])
        raise DatasetError(f"{path}: found NaN or infinity in example {bad}, expected finite numbers; drop such rows")
