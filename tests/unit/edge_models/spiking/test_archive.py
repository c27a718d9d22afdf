"""model.spiking.npz: what goes in comes out, and a bad file is refused with the reason."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_models.errors import ArchiveError, BundleError, NetworkError
from edge_models.npz import read_npz, write_npz
from edge_models.spiking.archive import from_npz, to_npz
from edge_models.spiking.network import Coding
from edge_models.spiking.reference import Reference
from tests.assets.spiking import CODINGS, KINDS, Kind, frames, network

Edit = Callable[[dict[str, Any]], object]


def edited(edit: Edit, **arrays: Any) -> bytes:
    """A right file with another header or other arrays."""
    contents: dict[str, Any] = read_npz(to_npz(network(0)), max_bytes=1 << 20)
    header = json.loads(contents["header"].tobytes())
    edit(header)
    text = json.dumps(header).encode()
    return write_npz({**contents, "header": np.frombuffer(text, np.uint8), **arrays})


@given(st.sampled_from(KINDS), st.sampled_from(CODINGS), st.integers(0, 1000))
def test_a_network_survives_its_file(kind: Kind, coding: Coding, seed: int) -> None:
    net = network(seed, kind=kind, coding=coding)
    data = to_npz(net)

    back = from_npz(data)

    assert to_npz(back) == data
    assert (back.coding, back.steps, back.input) == (net.coding, net.steps, net.input)
    x = frames(net, seed, 2)
    for found, expected in zip(Reference(back).run_batch(x), Reference(net).run_batch(x), strict=True):
        assert np.array_equal(found, expected)


def test_numpy_alone_reads_the_file() -> None:
    net = network(0)

    with np.load(io.BytesIO(to_npz(net)), allow_pickle=False) as arrays:
        header = json.loads(arrays["header"].tobytes())
        first = arrays["weight"][: np.prod(header["nodes"][0]["synapses"][0]["shape"])]

    assert header["format"] == 1
    assert first.tobytes() == net.nodes[0].synapses[0].weight.tobytes()  # type: ignore[union-attr]


def test_the_file_is_smaller_than_its_numbers() -> None:
    net = network(0, kind="benchmark")

    assert len(to_npz(net)) < sum(part.weight.size for node in net.nodes for part in getattr(node, "synapses", ()))


def test_a_network_that_cannot_be_executed_is_not_written() -> None:
    net = network(0)

    with pytest.raises(NetworkError, match="300 steps"):
        to_npz(dataclasses.replace(net, steps=300))


@pytest.mark.parametrize("length", [0, 10, 500, -1])
def test_a_truncated_file_is_refused(length: int) -> None:
    with pytest.raises(ArchiveError, match="not a readable"):
        from_npz(to_npz(network(0))[:length])


def test_a_file_larger_than_allowed_is_refused() -> None:
    with pytest.raises(ArchiveError, match="expected at most 1000"):
        from_npz(to_npz(network(0)), max_bytes=1000)


BAD: dict[str, tuple[Edit, str]] = {
    "format": (lambda header: header.update(format=2), "format 2, expected 1"),
    "coding": (lambda header: header.update(coding="phase"), "coding: found 'phase'"),
    "no nodes": (lambda header: header.update(nodes=[]), "1500 values, the header says 0"),
    "no steps": (lambda header: header.pop("steps"), "steps: found nothing"),
    "nan scale": (lambda header: header["nodes"][-1].update(scale=float("nan")), "NaN is not JSON"),
    "text scale": (lambda header: header["nodes"][-1].update(scale="1"), "scale: found '1'"),
    "no scale of the input": (lambda header: header["input"]["quant"].update(scale=0), "scale 0.0 is not a finite"),
    "cycle": (lambda header: header["nodes"][1].update(source=3), "reads node 3"),
    "kind of node": (lambda header: header["nodes"][1].update(node="lstm"), "node: found 'lstm'"),
    "more weights": (
        lambda header: header["nodes"][0]["synapses"][0].update(shape=[3, 3, 2, 60]),
        "array weight has 1500 values, expected",
    ),
    "most weights": (
        lambda header: header["nodes"][0]["synapses"][0].update(shape=[1 << 24] * 4),
        "array weight has 1500 values, expected",
    ),
    "other channels": (
        lambda header: header["nodes"][0].update(shape=[9, 8, 4]),
        "array constant",
    ),
    "long header": (lambda header: header.update(more="x" * (1 << 20)), "at most 1048576 bytes"),
    "deep header": (lambda header: header.update(more=json.loads("[" * 20 + "]" * 20)), "levels of nesting"),
}


@pytest.mark.parametrize(("edit", "message"), BAD.values(), ids=BAD)
def test_a_bad_header_is_refused_with_the_reason(edit: Edit, message: str) -> None:
    with pytest.raises(BundleError, match=message) as caught:
        from_npz(edited(edit))

    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"weight": np.zeros(1500, np.int16)}, r"array weight is int16\[1500\], expected one axis of int8"),
        ({"weight": np.zeros((2, 750), np.int8)}, "array weight is int8"),
        ({"weight": np.zeros(1501, np.int8)}, "1501 values, the header says 1500"),
        ({"constant": np.zeros(3, np.int32)}, "array constant has 3 values"),
        ({"constant": np.zeros(65, np.int32)}, "threshold 0, expected at least 1"),
        ({"constant": np.full(65, 2**31 - 1, np.int32)}, "can reach sums"),
        ({"header": np.zeros(0, np.uint8)}, "0 bytes that are not JSON"),
        ({"extra": np.zeros(1)}, "found arrays"),
    ],
)
def test_bad_arrays_are_refused_with_the_reason(arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(BundleError, match=message) as caught:
        from_npz(edited(lambda header: None, **arrays))

    assert str(caught.value).isprintable()


def test_fields_of_a_newer_writer_are_ignored() -> None:
    assert from_npz(edited(lambda header: header.update(author="me"))).steps == 4
