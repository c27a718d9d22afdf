"""``npz:`` examples as arrays, and ``signals:`` an npz of one recording for each array."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.datasets.examples import Examples, Integers
from converter.datasets.places import FREE, contexts_of, groups_of, labels_of, named_places, parts_of
from converter.errors import DatasetError
from edge_models.errors import ArchiveError
from edge_models.npz import read_npz

MAX_DATA_BYTES = 4 << 30
MAX_AXES = 6  # of a frame: as many as a TensorSpec describes
_MEANINGS = ("x", "X", "y", "group", "rate_hz")
WANTED = "expected x (n, ...) numbers and y (n,) class indices"


def read_examples(path: Path) -> tuple[NDArray[Any], Integers, Integers | None]:
    """``x`` (n, ...), ``y`` (n,) and, where there is one, ``group`` (n,) of an npz file; at least one example.

    Raises:
        DatasetError: It cannot be read, the arrays do not fit each other, or a value is not finite.
    """
    examples = load_arrays(path)
    if examples.label is None:
        raise DatasetError(f"{path}: found no array y, {WANTED}")
    return examples.x, examples.label, examples.group


def load_arrays(path: Path, *, labelled: bool = True, context: str | None = None) -> Examples:
    """Arrays ``x`` or ``X``, ``y``, ``group`` and ``rate_hz`` of an npz file; the last two may be missing.

    Args:
        path: The file; other arrays in it are passed over.
        labelled: It must have y.
        context: Array of integers that tells the condition of each example; None for no conditions.

    Raises:
        DatasetError: As for ``read_examples``.
    """
    arrays = _read(path, WANTED, only=_MEANINGS if context is None else (*_MEANINGS, context))
    if "X" in arrays and "x" not in arrays:
        arrays["x"] = arrays["X"]
    if not {"x", "y"} <= set(arrays) and (labelled or "x" not in arrays):
        raise DatasetError(f"{path}: found arrays {', '.join(_names(path)) or 'none'}, {WANTED}")
    x, y, group = arrays["x"], arrays.get("y") if labelled else None, arrays.get("group")
    if not 2 <= x.ndim <= MAX_AXES + 1 or (y is not None and (y.shape != x.shape[:1] or y.dtype.kind not in "iu")):
        beside = "" if y is None else f" and y {y.shape} {y.dtype}"
        raise DatasetError(f"{path}: found x {x.shape} {x.dtype}{beside}, {WANTED}")
    if not x.size:
        raise DatasetError(f"{path}: found no examples in x {x.shape}, {WANTED}")
    if group is not None and (group.shape != x.shape[:1] or group.dtype.kind not in "iu"):
        raise DatasetError(f"{path}: found group {group.shape} {group.dtype}, expected one integer for each example")
    _check_finite(path, x)
    contexts, number = ((), None) if context is None else _contexts(path, context, arrays.get(context), len(x))
    return Examples(
        x=x,
        label=None if y is None else y.astype(np.int64),
        group=None if group is None else group.astype(np.int64),
        context=number,
        contexts=contexts,
        rate_hz=_rate(path, arrays.get("rate_hz")),
    )


def _contexts(path: Path, name: str, values: NDArray[Any] | None, count: int) -> tuple[tuple[str, ...], Integers]:
    """Names of the conditions, such as season-2, and the condition of each example."""
    if values is None:
        raise DatasetError(
            f"{path}: found arrays {', '.join(_names(path))}, expected {name} of profile.groups among them; mend the "
            "name, or map the names of conditions to groups"
        )
    if values.shape != (count,) or values.dtype.kind not in "iu":
        raise DatasetError(
            f"{path}: found {name} {values.shape} {values.dtype}, expected one integer for each example, as "
            "profile.groups asks for it"
        )
    numbers, context = np.unique(values, return_inverse=True)
    return tuple(f"{name}-{number}" for number in numbers), context.astype(np.int64)


def load_signals(
    path: Path, pattern: str | None, rate_hz: float | None, *, labelled: bool = True, context: str | None = None
) -> Examples:
    """Recordings of rows one after the other, (n, columns) float32; the name of an array says its class.

    Args:
        path: An npz file; each array is a recording (rows,) or (rows, columns).
        pattern: What a name says; without it the name is the class.
        rate_hz: Rows in a second, where known.
        labelled: Recordings need a class.
        context: ``context`` where the pattern tells conditions; None for no conditions.

    Raises:
        DatasetError: It cannot be read, or recordings have different columns or values that are not finite.
    """
    arrays = {name: array for name, array in _read(path, "expected an array for each recording").items() if array.ndim}
    if not arrays:
        raise DatasetError(f"{path}: found no recordings, expected an array (rows, columns) for each")
    places = named_places(list(arrays), pattern if labelled else "", str(path))
    recordings: list[NDArray[np.float32]] = []
    for place in places:
        recording = arrays[place.name]
        recording = recording[:, None] if recording.ndim == 1 else recording
        if recording.ndim != 2 or not recording.size or recording.dtype.kind not in "iuf":
            raise DatasetError(
                f"{path}: found {place.name} {arrays[place.name].shape} {recording.dtype}, expected numbers "
                "(rows,) or (rows, columns)"
            )
        if recordings and recording.shape[1] != recordings[0].shape[1]:
            raise DatasetError(
                f"{path}: found {places[0].name} with {recordings[0].shape[1]} columns and {place.name} with "
                f"{recording.shape[1]}, expected the same columns in all; choose recordings with dataset.pattern"
            )
        _check_finite(path, recording, f"row {{}} of {place.name}")
        recordings.append(recording.astype(np.float32))
    file = np.repeat(np.arange(len(places)), [len(recording) for recording in recordings])
    if labelled and pattern is None:
        labels, label = tuple(place.name for place in places), np.arange(len(places))
    else:
        labels, label = labels_of(places, str(path)) if labelled else ((), np.full(len(places), FREE))
    (groups, group), part = groups_of(places, str(path)), parts_of(places)
    contexts, condition = contexts_of(places, context, str(path))
    return Examples(
        x=np.concatenate(recordings),
        label=label[file] if labelled else None,
        labels=labels,
        group=None if group is None else group[file],
        groups=groups,
        context=None if condition is None else condition[file],
        contexts=contexts,
        part=None if part is None else part[file],
        file=file,
        names=tuple(place.name for place in places),
        rate_hz=rate_hz,
    )


def _read(path: Path, wanted: str, only: tuple[str, ...] | None = None) -> dict[str, NDArray[Any]]:
    try:
        return read_npz(path, max_bytes=MAX_DATA_BYTES, only=only)
    except ArchiveError as exc:
        raise DatasetError(f"{exc}; {wanted}") from exc


def _names(path: Path) -> list[str]:
    """Names of the arrays of a file that has been read."""
    with zipfile.ZipFile(path) as archive:
        return sorted(name.removesuffix(".npy") for name in archive.namelist())


def _rate(path: Path, rate: NDArray[Any] | None) -> float | None:
    if rate is None:
        return None
    if rate.size != 1 or not 0 < float(rate.reshape(-1)[0]) < np.inf:
        raise DatasetError(f"{path}: found rate_hz of shape {rate.shape}, expected one number above 0")
    return float(rate.reshape(-1)[0])


def _check_finite(path: Path, x: NDArray[Any], which: str = "example {}") -> None:
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        bad = int(np.flatnonzero(~np.isfinite(x.reshape(len(x), -1)).all(axis=1))[0])
        raise DatasetError(
            f"{path}: found NaN or infinity in {which.format(bad)}, expected finite numbers; drop such rows"
        )
