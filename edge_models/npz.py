"""Read and write .npz files without trusting them.

An .npz is a zip of .npy members. ``numpy.load`` would allocate whatever the headers claim and would unpickle object
arrays; here the member list, dtypes, shapes and total bytes are known or bounded before anything is allocated.
"""

from __future__ import annotations

import io
import math
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_models.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

_EPOCH = (1980, 1, 1, 0, 0, 0)  # zip's first date: the same arrays give the same bytes, so the same blob
_KINDS = "biuf"  # bool, signed, unsigned, float: nothing that needs pickle


def write_npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Pack arrays into the bytes of a deflated .npz; equal arrays give equal bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(arrays):
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(arrays[name]), version=(1, 0), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _EPOCH), member.getvalue(), zipfile.ZIP_DEFLATED)
    return out.getvalue()


def read_npz(source: Path | bytes, *, max_bytes: int, names: tuple[str, ...] | None = None) -> dict[str, NDArray[Any]]:
    """Read all arrays of an .npz whose members together have at most ``max_bytes``.

    Args:
        source: The file or its bytes.
        max_bytes: Bound on the sum of the arrays' sizes, checked from the headers before anything is allocated.
        names: If given, exactly these arrays must be there.

    Raises:
        ArchiveError: Not a zip, other members, an object dtype, or too large.
    """
    label = "npz" if isinstance(source, bytes) else str(source)
    try:
        with zipfile.ZipFile(io.BytesIO(source) if isinstance(source, bytes) else source) as archive:
            members = {_array_name(info.filename, label): info for info in archive.infolist()}
            if len(members) != len(archive.infolist()):
                raise ArchiveError(f"{label}: a member occurs twice")
            if names is not None and set(members) != set(names):
                raise ArchiveError(f"{label}: found arrays {sorted(members)}, expected {sorted(names)}")
            _check_total({name: _header(archive, info, label) for name, info in members.items()}, max_bytes, label)
            return {name: _read_member(archive, info, label) for name, info in members.items()}
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError, RuntimeError) as exc:
        raise ArchiveError(f"{label}: not a readable .npz ({exc})") from exc
    except OSError as exc:
        raise ArchiveError(f"{label}: cannot be read ({exc.strerror or exc})") from exc


def _array_name(filename: str, label: str) -> str:
    if not filename.endswith(".npy") or "/" in filename or "\\" in filename:
        raise ArchiveError(f"{label}: member {filename!r} is not an array")
    return filename.removesuffix(".npy")


def _header(archive: zipfile.ZipFile, info: zipfile.ZipInfo, label: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    try:
        with archive.open(info) as stream:
            version = np.lib.format.read_magic(stream)
            reader = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
            shape, _, dtype = reader(stream)
    except (ValueError, KeyError) as exc:
        raise ArchiveError(f"{label}: {info.filename} has no readable array header ({exc})") from exc
    if dtype.kind not in _KINDS:
        raise ArchiveError(f"{label}: {info.filename} has dtype {dtype}, expected plain numbers")
    return shape, dtype


def _check_total(headers: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]], max_bytes: int, label: str) -> None:
    total = sum(math.prod(shape) * dtype.itemsize for shape, dtype in headers.values())
    if total > max_bytes:
        raise ArchiveError(f"{label}: arrays of {total} bytes, expected at most {max_bytes}")


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, label: str) -> NDArray[Any]:
    try:
        with archive.open(info) as stream:
            array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
    except ValueError as exc:
        raise ArchiveError(f"{label}: {info.filename} is truncated or malformed ({exc})") from exc
    return array
