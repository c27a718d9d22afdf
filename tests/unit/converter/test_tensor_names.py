"""Short names for tensors."""

from __future__ import annotations

from converter.keras_process.tensor_names import short_names
from converter.quantize.graph import read_graph
from tests.unit.converter.crafted import Op, tflite


def test_inner_tensors_are_named_by_layer_and_number_and_the_border_stays() -> None:
    graph = tflite([Op("CONV_2D", dtype="FLOAT32"), Op("RELU", dtype="FLOAT32"), Op("GELU", dtype="FLOAT32")])

    named = read_graph(short_names(graph))

    assert list(named.float_layers) == ["y0/0.", "y1/1.", "y2"]


def test_nothing_else_changes() -> None:
    graph = tflite([Op("RELU", 2), Op("ADD", 3)], weights={"INT8": 90, "FLOAT32": 10})

    before, after = read_graph(graph), read_graph(short_names(graph))

    assert before == after
