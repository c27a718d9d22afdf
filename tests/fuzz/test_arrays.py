"""Archives, profiles and sketches: binary formats whose sizes are claims."""

from __future__ import annotations

import base64
import io
import struct
import zipfile
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_models.errors import ArchiveError, SketchError
from edge_models.npz import read_npz, write_npz
from edge_models.profile import Profile, build_profile
from edge_models.sketch import Sketch
from tests.fuzz.damage import check_one_line, damaged, fuzzed

pytestmark = pytest.mark.fuzz
MAX_BYTES = 4096
VALUES = np.linspace(0, 1, 300).reshape(100, 3)
PROFILE = build_profile(("mean", "std", "confidence"), VALUES, np.arange(100) % 4, 4)
ARRAYS: dict[str, NDArray[Any]] = {
    "x": np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
    "y": np.linspace(0, 1, 5).astype(np.float32),
}
NPZ = write_npz(ARRAYS)


def sketch_text() -> str:
    sketch = Sketch.of(PROFILE)
    sketch.add_batch(PROFILE.bins(VALUES), np.arange(100) % 4)
    return sketch.encode()


SKETCH = sketch_text()
SKETCH_RAW = zlib.decompress(base64.b64decode(SKETCH))
dimensions = st.sampled_from(["1", "0", "-1", "2**70", "1000000000000", "True", "1.0", "'a'", "None", "3"])
headers = st.builds(
    "{{'descr': {}, 'fortran_order': {}, 'shape': ({},), {}}}".format,
    st.sampled_from(["'<f4'", "'|O'", "'<U1000000000'", "[('a','<f4')]", "'>i8'", "'<M8[s]'", "'<c16'", "3", "'|V9'"]),
    st.sampled_from(["False", "True", "None", "1"]),
    st.lists(dimensions, max_size=4).map(",".join),
    st.sampled_from(["", "'x': 1", "'descr': '<i8'", "(" * 200]),
)


@st.composite
def lying_archives(draw: st.DrawFn) -> bytes:
    """Zips of members whose headers claim anything at all."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in draw(st.lists(st.sampled_from(["x.npy", "y.npy", "../x.npy", "x", "z.npy", "/x.npy"]), max_size=3)):
            header = draw(headers | st.text(max_size=40)).encode("utf-8", "replace") + draw(
                st.sampled_from([b"\n", b""])
            )
            version = draw(st.sampled_from([b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x00"]))
            length = draw(st.sampled_from([len(header), 0, 1, 60000]))
            size = struct.pack("<H" if version == b"\x01\x00" else "<I", length)
            body = draw(st.binary(max_size=64)) * draw(st.sampled_from([1, 1000]))
            method = draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
            info = zipfile.ZipInfo(name)
            if name not in archive.namelist():
                archive.writestr(info, b"\x93NUMPY" + version + size + header + body, method)
    return out.getvalue()


@fuzzed
@given(st.binary(max_size=1000) | damaged(NPZ) | lying_archives())
def test_damaged_archive(data: bytes) -> None:
    try:
        arrays = read_npz(data, max_bytes=MAX_BYTES)
    except ArchiveError as exc:
        check_one_line(exc)
        return

    assert sum(array.nbytes for array in arrays.values()) <= MAX_BYTES
    assert all(array.dtype.kind in "biuf" for array in arrays.values())


@fuzzed
@given(damaged(NPZ))
def test_damaged_archive_with_declared_arrays(data: bytes) -> None:
    declared = {name: (array.shape, array.dtype.str) for name, array in ARRAYS.items()}

    try:
        arrays = read_npz(data, max_bytes=MAX_BYTES, declared=declared)
    except ArchiveError:
        return

    assert {name: (array.shape, array.dtype.str) for name, array in arrays.items()} == declared


@fuzzed
@given(damaged(PROFILE.to_npz()))
def test_damaged_profile(data: bytes) -> None:
    try:
        profile = Profile.from_npz(data)
    except ArchiveError:
        return

    values = np.zeros(len(profile.signals))
    assert ((profile.bins(values) >= 0) & (profile.bins(values) < 32)).all()


@st.composite
def repacked(draw: st.DrawFn, raw: bytes) -> str:
    """A sketch whose content is damaged inside an intact wrapping."""
    return base64.b64encode(zlib.compress(draw(damaged(raw)))).decode()


@fuzzed
@given(
    st.text(max_size=300)
    | damaged(SKETCH.encode()).map(lambda data: data.decode("latin-1"))
    | repacked(SKETCH_RAW)
    | st.integers(1, 2**20).map(lambda size: base64.b64encode(zlib.compress(bytes(size))).decode())
)
def test_damaged_sketch(text: str) -> None:
    try:
        sketch = Sketch.decode(text)
    except SketchError as exc:
        check_one_line(exc)
        return

    assert (sketch.counts.sum(axis=1) == sketch.n).all()
    assert Sketch.decode(sketch.encode()).encode() == sketch.encode()
