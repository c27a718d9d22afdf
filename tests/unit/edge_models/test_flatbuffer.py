"""The check in front of the runtimes: whole files pass, whatever points outside is refused."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_models.engines.flatbuffer import check_tflite
from edge_models.errors import UnsupportedArtifactError
from tests.factories.bundles import ASSETS

FILES = sorted(ASSETS.glob("*.tflite"))
WHOLE = (ASSETS / "digits-int8.tflite").read_bytes()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_whole_file_passes(path: object) -> None:
    check_tflite(path.read_bytes())  # type: ignore[attr-defined]


@given(st.integers(0, len(WHOLE) - 1))
def test_a_truncated_file_is_refused(size: int) -> None:
    with pytest.raises(UnsupportedArtifactError):
        check_tflite(WHOLE[:size])


@given(st.integers(0, len(WHOLE) - 4), st.binary(min_size=4, max_size=4))
def test_a_damaged_file_passes_or_is_refused_but_never_crashes(place: int, data: bytes) -> None:
    damaged = WHOLE[:place] + data + WHOLE[place + 4 :]

    try:
        check_tflite(damaged)
    except UnsupportedArtifactError as refused:
        assert "\n" not in str(refused)  # noqa: PT017 - most examples pass


@given(st.binary(max_size=200))
def test_noise_behind_the_identifier_is_refused(noise: bytes) -> None:
    with pytest.raises(UnsupportedArtifactError):
        check_tflite(struct.pack("<I", 8 + len(noise) // 2) + b"TFL3" + noise)


def vector_of_one_table(count: int) -> bytes:
    """A model whose list of buffers names the same table over and over: small file, endless work."""
    vtable = struct.pack("<7H", 14, 12, 4, 0, 0, 0, 8) + bytes(2)
    root = struct.pack("<iII", 16, 3, 4)
    table = struct.pack("<HHi", 4, 4, 4)
    places = b"".join(struct.pack("<I", 4 * (count - i) + 4) for i in range(count))
    return struct.pack("<I", 24) + b"TFL3" + vtable + root + struct.pack("<I", count) + places + table


def one_operator_named(name: bytes) -> bytes:
    """A model without a graph whose one operator is custom."""
    vtable = struct.pack("<6H", 12, 12, 4, 8, 0, 0)
    root = struct.pack("<iII", 12, 3, 4)
    codes = struct.pack("<II", 1, 12)
    code_vtable = struct.pack("<4H", 8, 12, 8, 4)
    code = struct.pack("<iI4b", 8, 8, 32, 0, 0, 0)
    return (
        struct.pack("<I", 20)
        + b"TFL3"
        + vtable
        + root
        + codes
        + code_vtable
        + code
        + struct.pack("<I", len(name))
        + name
    )


def test_the_name_of_an_operator_is_bounded_and_stays_on_its_line() -> None:
    with pytest.raises(UnsupportedArtifactError, match="no graph"):
        check_tflite(one_operator_named(b"Nobody"))
    with pytest.raises(UnsupportedArtifactError, match="operator name of 4000 bytes"):
        check_tflite(one_operator_named(b"x" * 4000))
    with pytest.raises(UnsupportedArtifactError, match="operator name that cannot be shown"):
        check_tflite(one_operator_named(b"a\nWARNING all is well"))


def test_a_file_made_to_keep_the_check_busy_is_refused() -> None:
    with pytest.raises(UnsupportedArtifactError, match="no graph"):
        check_tflite(vector_of_one_table(1))
    with pytest.raises(UnsupportedArtifactError, match="more than 200000"):
        check_tflite(vector_of_one_table(300_000))
