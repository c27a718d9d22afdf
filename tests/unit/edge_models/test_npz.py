"""The bounded .npz reader: what we write comes back, and no lie of a stranger is believed."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_models.errors import ArchiveError
from edge_models.npz import read_npz, write_npz

MAX = 1 << 20
DTYPES = [
    "bool",
    "int8",
    "uint8",
    "int16",
    "int32",
    "int64",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
]


def member(shape: tuple[int, ...] | str, descr: str = "'<f4'", data: bytes = b"", *, order: str = "False") -> bytes:
    """A .npy member whose header claims what the test wants."""
    text = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n".encode("latin-1")
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def archive(*members: tuple[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as made:
        for name, data in members:
            made.writestr(zipfile.ZipInfo(name), data, compression)
    return out.getvalue()


@st.composite
def arrays(draw: st.DrawFn) -> NDArray[Any]:
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=4)))
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    count = int(np.prod(shape, dtype=int)) * dtype.itemsize
    data = draw(st.binary(min_size=count, max_size=count))
    if dtype.kind == "b":
        data = bytes(byte & 1 for byte in data)
    return np.frombuffer(data, dtype).reshape(shape)


@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9_.]{0,8}", fullmatch=True), arrays(), max_size=4))
def test_reading_returns_what_was_written(given_arrays: dict[str, NDArray[Any]]) -> None:
    read = read_npz(write_npz(given_arrays), max_bytes=MAX)

    assert set(read) == set(given_arrays)
    for name, array in given_arrays.items():
        assert read[name].dtype == array.dtype
        assert read[name].shape == array.shape
        assert read[name].tobytes() == array.tobytes()
        assert read[name].flags.writeable


@given(arrays())
def test_numpy_reads_what_we_write_and_we_read_what_numpy_writes(array: NDArray[Any]) -> None:
    out = io.BytesIO()
    np.savez_compressed(out, x=array, y=np.asfortranarray(array))

    ours = read_npz(out.getvalue(), max_bytes=MAX)

    assert np.load(io.BytesIO(write_npz({"x": array})))["x"].tobytes() == array.tobytes()
    assert ours["x"].tobytes() == array.tobytes()
    assert ours["y"].tobytes() == array.tobytes()


def test_equal_arrays_give_equal_bytes_whatever_their_order() -> None:
    a, b = np.arange(3), np.ones((2, 2))

    assert write_npz({"a": a, "b": b}) == write_npz({"b": b, "a": a.copy()})


@pytest.mark.parametrize("array", [np.array(["text"]), np.array([object()]), np.array([1 + 2j]), np.zeros(2, ">f4")])
def test_writing_refuses_what_reading_would_refuse(array: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match="expected plain little-endian numbers"):
        write_npz({"x": array})


def test_reading_a_path_names_it_in_errors(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(b"not a zip")

    with pytest.raises(ArchiveError, match=r"x\.npz"):
        read_npz(path, max_bytes=MAX)
    with pytest.raises(ArchiveError, match="No such file"):
        read_npz(tmp_path / "absent.npz", max_bytes=MAX)
    with pytest.raises(ArchiveError, match="cannot be read"):
        read_npz(tmp_path, max_bytes=MAX)


def test_arrays_up_to_the_bound_are_read_and_one_byte_more_is_refused() -> None:
    data = write_npz({"x": np.zeros(100, np.int8), "y": np.zeros(28, np.int8)})

    assert read_npz(data, max_bytes=128)["x"].size == 100
    with pytest.raises(ArchiveError, match="128 bytes, expected at most 127"):
        read_npz(data, max_bytes=127)


def test_exactly_the_named_arrays_must_be_there() -> None:
    data = write_npz({"x": np.zeros(1), "y": np.zeros(1)})

    assert set(read_npz(data, max_bytes=MAX, names=("x", "y"))) == {"x", "y"}
    for names in (("x",), ("x", "y", "z"), ()):
        with pytest.raises(ArchiveError, match="found arrays x, y"):
            read_npz(data, max_bytes=MAX, names=names)


def test_declared_shapes_and_dtypes_must_match() -> None:
    data = write_npz({"x": np.zeros((2, 3), np.int8)})

    assert read_npz(data, max_bytes=MAX, declared={"x": ((2, 3), "int8")})["x"].shape == (2, 3)
    for shape, dtype in (((3, 2), "int8"), ((2, 3), "uint8"), ((2, 3, 1), "int8")):
        with pytest.raises(ArchiveError, match=r"x is int8\[2, 3\]"):
            read_npz(data, max_bytes=MAX, declared={"x": (shape, dtype)})


HOSTILE = {
    "a shape of a terabyte": member((1 << 40,)),
    "a shape whose product overflows 64 bits": member((1 << 40, 1 << 40)),
    "a negative length": member((-1,)),
    "a negative length that lowers the total": member((-1000, 1000)),
    "an object array": member((1,), "'|O'", b"\x80\x04K*."),
    "text": member((1,), "'<U4'", bytes(16)),
    "a structured dtype": member((1,), "[('a', '<f4')]", bytes(4)),
    "big-endian numbers": member((1,), "'>f4'", bytes(4)),
    "long doubles": member((1,), "'<f16'", bytes(16)),
    "dates": member((1,), "'<M8[s]'", bytes(8)),
    "fewer bytes than claimed": member((4,), data=bytes(12)),
    "more bytes than claimed": member((4,), data=bytes(20)),
    "no data": member((4,)),
    "code in the header": member("__import__('os').abort()"),
    "no tuple": member("4", data=bytes(16)),
    "a float length": member("(4.0,)", data=bytes(16)),
    "no header": b"",
    "half a magic": b"\x93NUM",
    "another format": b"\x93NUMPY\x02\x00" + struct.pack("<I", 0xFFFFFFFF) + bytes(1000),
    "a header longer than the member": b"\x93NUMPY\x01\x00\xff\x03{",
    "a header of 64 KB": b"\x93NUMPY\x01\x00\xff\xff" + b" " * 65535,
    "forty axes": member((1,) * 70, data=bytes(4)),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_members_are_refused(data: bytes) -> None:
    with pytest.raises(ArchiveError):
        read_npz(archive(("x.npy", data)), max_bytes=MAX)


def test_a_negative_shape_does_not_make_room_for_a_huge_one() -> None:
    data = archive(("a.npy", member((1 << 40,))), ("b.npy", member((-(1 << 40),))))

    with pytest.raises(ArchiveError):
        read_npz(data, max_bytes=MAX)


def test_a_zip_bomb_is_refused_by_its_headers() -> None:
    bomb = archive(("x.npy", member((100_000_000,), "'|u1'", bytes(100_000_000))))
    assert len(bomb) < 200_000

    with pytest.raises(ArchiveError, match="expected at most"):
        read_npz(bomb, max_bytes=MAX)


def test_a_member_that_inflates_beyond_its_directory_entry_is_refused() -> None:
    data = bytearray(archive(("x.npy", member((4,), data=bytes(16) + bytes(1_000_000)))))
    honest = len(member((4,), data=bytes(16)))
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<I", honest)  # "uncompressed size" of the central directory

    with pytest.raises(ArchiveError):
        read_npz(bytes(data), max_bytes=MAX)


@pytest.mark.parametrize(
    "name", ["../x.npy", "/etc/x.npy", "a/b.npy", "a\\b.npy", "x.txt", ".npy", "x", "x.npy/"], ids=repr
)
def test_member_names_that_are_no_array_are_refused(name: str) -> None:
    with pytest.raises(ArchiveError, match="is not an array"):
        read_npz(archive((name, member((1,), data=bytes(4)))), max_bytes=MAX)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_occurs_twice_is_refused() -> None:
    one = member((1,), data=bytes(4))

    with pytest.raises(ArchiveError, match="twice"):
        read_npz(archive(("x.npy", one), ("x.npy", one)), max_bytes=MAX)


def test_too_many_members_are_refused() -> None:
    one = member((1,), data=bytes(4))

    with pytest.raises(ArchiveError, match="1001 members"):
        read_npz(archive(*((f"x{i}.npy", one) for i in range(1001))), max_bytes=MAX)


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(compression: int) -> None:
    with pytest.raises(ArchiveError, match="compression"):
        read_npz(archive(("x.npy", member((1,), data=bytes(4))), compression=compression), max_bytes=MAX)


def test_an_encrypted_member_is_refused() -> None:
    data = bytearray(archive(("x.npy", member((1,), data=bytes(4)))))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1

    with pytest.raises(ArchiveError, match="encrypted"):
        read_npz(bytes(data), max_bytes=MAX)


@given(st.data())
def test_a_truncated_file_is_refused(data: st.DataObject) -> None:
    whole = write_npz({"x": np.arange(100), "y": np.random.default_rng(0).random(50)})

    with pytest.raises(ArchiveError):
        read_npz(whole[: data.draw(st.integers(0, len(whole) - 1))], max_bytes=MAX)


@given(st.data())
def test_a_damaged_file_is_refused_or_read_within_bounds(data: st.DataObject) -> None:
    damaged = bytearray(write_npz({"x": np.arange(100), "y": np.random.default_rng(0).random(50)}))
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))

    try:
        read = read_npz(bytes(damaged), max_bytes=MAX)
    except ArchiveError:
        return

    assert sum(array.nbytes for array in read.values()) <= MAX


@given(st.binary(max_size=300))
def test_noise_is_refused(noise: bytes) -> None:
    with pytest.raises(ArchiveError):
        read_npz(noise, max_bytes=MAX)


def test_only_the_arrays_that_are_asked_for_are_read(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    np.savez(path, x=np.arange(3), names=np.array(["a", "b"]), objects=np.array([{}], object))

    assert list(read_npz(path, max_bytes=100, only=("x", "y"))) == ["x"]


def test_a_name_of_kilobytes_is_told_in_a_line_that_a_person_can_read() -> None:
    data = bytearray(write_npz({"x": np.arange(3000, dtype=np.int32) * 12345}))
    data[26:28] = (3000).to_bytes(2, "little")  # the length of the name in the local header

    with pytest.raises(ArchiveError, match="not a readable") as caught:
        read_npz(bytes(data), max_bytes=1 << 20)

    assert len(str(caught.value)) < 300
