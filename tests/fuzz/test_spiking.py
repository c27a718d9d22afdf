"""model.spiking.npz: whatever is loaded can be run."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_models.errors import BundleError
from edge_models.npz import read_npz, write_npz
from edge_models.spiking.archive import from_npz, to_npz
from edge_models.spiking.reference import Reference
from tests.assets.spiking import network
from tests.fuzz.damage import check_one_line, damaged, fuzzed

pytestmark = pytest.mark.fuzz
NPZ = to_npz(network(0, kind="residual"))
ARRAYS = read_npz(NPZ, max_bytes=1 << 20)


@st.composite
def repacked(draw: st.DrawFn) -> bytes:
    """A file whose header or numbers are damaged inside an intact wrapping."""
    name = draw(st.sampled_from(["header", "header", "constant", "weight"]))
    dtype = ARRAYS[name].dtype
    data = draw(damaged(ARRAYS[name].tobytes()))
    data = data[: len(data) // dtype.itemsize * dtype.itemsize]
    return write_npz({**ARRAYS, name: np.frombuffer(data, dtype)})


@fuzzed
@given(damaged(NPZ) | repacked())
def test_damaged_network(data: bytes) -> None:
    try:
        loaded = from_npz(data, max_bytes=1 << 20)
    except BundleError as exc:
        check_one_line(exc)
        return

    answer = Reference(loaded).run(np.zeros(loaded.input_shape, np.int32))
    assert answer.logits.shape == (loaded.readout.shape[2],)
