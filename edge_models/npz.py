"""Read and write .npz files without trusting them.

An .npz is a zip of .npy members. ``numpy.load`` would allocate whatever the headers claim, would read a header of 4 GB
and would unpickle object arrays; here the member list, dtypes, shapes and total bytes are known or bounded before
anything is allocated, and nothing is evaluated.
"""

from __future__ import annotations

import io
import math
import re
import zipfile
import zlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from edge_models.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

_EPOCH = (1980, 1, 1, 0, 0, 0)  # zip's first date: the same arrays give the same bytes, so the same blob
_MAGIC = b"\x93NUMPY\x01\x00"  # format 1.0; later ones only add headers above 64 KiB and names beyond ASCII
_MAX_HEADER_BYTES = 1024  # numpy pads to 64; a header of numbers with 32 axes has less than 800
_MAX_MEMBERS = 1000
_MAX_REASON = 200  # of zipfile's text, which repeats a name as long as the file claims it to be
_HEADER = re.compile(
    r"\{'descr': '([^']{1,20})', 'fortran_order': (False|True), 'shape': \(((?:[0-9]{1,18}, ?)*[0-9]{0,18})\), \} *\n?"
)
DTYPES = frozenset({"|b1", "|i1", "|u1", "<i2", "<i4", "<i8", "<u2", "<u4", "<u8", "<f2", "<f4", "<f8"})
_UNREADABLE = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayHeader:
    """What a member says of itself."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran_order: bool = False

    @property
    def nbytes(self) -> int:
        """Bytes of the array."""
        return math.prod(self.shape) * self.dtype.itemsize


def write_npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Pack arrays into the bytes of a deflated .npz; equal arrays give equal bytes.

    Raises:
        ValueError: A dtype that ``read_npz`` would refuse.
    """
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(arrays):
            member = io.BytesIO()
            array = np.asarray(arrays[name], order="C")
            if array.dtype.str not in DTYPES:
                raise ValueError(f"array {name} has dtype {array.dtype}, expected plain little-endian numbers")
            np.lib.format.write_array(member, array, version=(1, 0), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _EPOCH), member.getvalue(), zipfile.ZIP_DEFLATED)
    return out.getvalue()


def read_npz(
    source: Path | bytes,
    *,
    max_bytes: int,
    names: Iterable[str] | None = None,
    declared: Mapping[str, tuple[tuple[int, ...], str]] | None = None,
    only: Iterable[str] | None = None,
) -> dict[str, NDArray[Any]]:
    """Read all arrays of an .npz whose members together have at most ``max_bytes``.

    Args:
        source: The file or its bytes.
        max_bytes: Bound on the sum of the arrays' sizes, checked from the headers before anything is allocated.
        names: If given, exactly these arrays must be there.
        declared: If given, exactly these arrays with these shapes and dtypes must be there.
        only: If given, those of these arrays that are there are read, and others passed over whatever they hold.

    Returns:
        New, writable arrays by name.

    Raises:
        ArchiveError: Not a zip, other members, an object dtype, too large, or other bytes than the headers say.
    """
    label = "npz" if isinstance(source, bytes) else str(source)
    wanted = None if names is None and declared is None else set(names or ()) | set(declared or ())
    try:
        with zipfile.ZipFile(io.BytesIO(source) if isinstance(source, bytes) else source) as archive:
            members = _members(archive, label)
            if wanted is not None and set(members) != wanted:
                raise ArchiveError(f"{label}: found arrays {_listed(members)}, expected {_listed(wanted)}")
            if only is not None:
                members = {name: members[name] for name in only if name in members}
            headers = {name: _peek(archive, info, label) for name, info in members.items()}
            _check_declared(headers, declared or {}, label)
            total = sum(header.nbytes for header in headers.values())
            if total > max_bytes:
                raise ArchiveError(f"{label}: arrays of {total} bytes, expected at most {max_bytes}")
            return {name: _read_member(archive, info, headers[name], label) for name, info in members.items()}
    except OSError as exc:
        raise ArchiveError(f"{label}: cannot be read ({exc.strerror or exc})") from exc
    except _UNREADABLE as exc:
        raise ArchiveError(f"{label}: not a readable .npz ({str(exc)[:_MAX_REASON]})") from exc


def _members(archive: zipfile.ZipFile, label: str) -> dict[str, zipfile.ZipInfo]:
    infos = archive.infolist()
    if len(infos) > _MAX_MEMBERS:
        raise ArchiveError(f"{label}: {len(infos)} members, expected at most {_MAX_MEMBERS}")
    members: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        name = info.filename.removesuffix(".npy")
        if name == info.filename or not name or re.search(r"[/\\\0]", name):
            raise ArchiveError(f"{label}: member {info.filename!r} is not an array, expected NAME.npy")
        if name in members:
            raise ArchiveError(f"{label}: member {info.filename} occurs twice")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ArchiveError(
                f"{label}: {info.filename} has compression {info.compress_type}, expected deflate or none"
            )
        members[name] = info
    return members


def _peek(archive: zipfile.ZipFile, info: zipfile.ZipInfo, label: str) -> ArrayHeader:
    with archive.open(info) as stream:
        header, length = _header(stream, f"{label}: {info.filename}")
    if info.file_size != length + header.nbytes:
        raise ArchiveError(
            f"{label}: {info.filename} has {info.file_size} bytes, its header says {length + header.nbytes}"
        )
    return header


def _header(stream: IO[bytes], where: str) -> tuple[ArrayHeader, int]:
    """The header at the start of a member, and its length in bytes."""
    start = stream.read(len(_MAGIC) + 2)
    size = int.from_bytes(start[len(_MAGIC) :], "little")
    if not start.startswith(_MAGIC) or len(start) != len(_MAGIC) + 2 or size > _MAX_HEADER_BYTES:
        raise ArchiveError(f"{where} has no array header of .npy format 1.0")
    text = stream.read(size).decode("latin-1")
    match = _HEADER.fullmatch(text)
    if match is None:
        raise ArchiveError(f"{where} has header {text[:60]!r}, expected a plain array as numpy writes it")
    descr, order, axes = match.groups()
    if descr not in DTYPES:
        raise ArchiveError(f"{where} has dtype {descr!r}, expected plain little-endian numbers")
    shape = tuple(int(axis) for axis in axes.replace(",", " ").split())
    return ArrayHeader(shape=shape, dtype=np.dtype(descr), fortran_order=order == "True"), len(start) + size


def _check_declared(
    headers: Mapping[str, ArrayHeader], declared: Mapping[str, tuple[tuple[int, ...], str]], label: str
) -> None:
    for name, (shape, dtype) in declared.items():
        found = headers[name]
        if (found.shape, found.dtype) != (shape, np.dtype(dtype)):
            raise ArchiveError(f"{label}: {name} is {found.dtype}{list(found.shape)}, expected {dtype}{list(shape)}")


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, header: ArrayHeader, label: str) -> NDArray[Any]:
    flat = np.empty(header.nbytes, np.uint8)
    view, filled = flat.data, 0
    with archive.open(info) as stream:
        _header(stream, f"{label}: {info.filename}")
        while filled < header.nbytes and (count := stream.readinto(view[filled:])):  # type: ignore[attr-defined]
            filled += count
        surplus = stream.read(1)  # reading to the end is what makes zipfile compare the checksum
    if filled != header.nbytes or surplus:
        found = "more" if surplus else str(filled)
        raise ArchiveError(f"{label}: {info.filename} has {found} bytes of data, its header says {header.nbytes}")
    return flat.view(header.dtype).reshape(header.shape, order="F" if header.fortran_order else "C")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
