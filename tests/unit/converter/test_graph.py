"""What is really in a converted file, and who can run it."""

from __future__ import annotations

import pytest

from converter.errors import ConversionError
from converter.quantize.graph import read_graph, runtimes_for
from edge_models.engines.opversions import op_limits
from edge_models.errors import UnsupportedArtifactError
from tests.factories.bundles import ASSETS
from tests.unit.converter.crafted import Op, tflite

BOTH = ("ai-edge-litert", "tflite-runtime")
RELU = Op("RELU")


def asset(name: str) -> bytes:
    return (ASSETS / f"{name}.tflite").read_bytes()


def test_a_quantised_file_runs_everywhere() -> None:
    graph = read_graph(asset("digits-int8"))

    assert graph.ops == {"CONV_2D": 3, "RESHAPE": 1, "FULLY_CONNECTED": 4}
    assert (graph.input_dtypes, graph.output_dtypes, graph.float_ops) == (("int8",), ("int8",), ())
    assert graph.weight_share("int8") == 1.0
    assert runtimes_for(graph) == BOTH


def test_a_float_file_runs_everywhere() -> None:
    graph = read_graph(asset("digits-float"))

    assert runtimes_for(graph) == BOTH
    assert (graph.input_dtypes, graph.output_dtypes) == (("float32",), ("float32",))
    assert graph.weight_share("int8") == 0


def test_an_operator_that_nobody_has_is_named() -> None:
    with pytest.raises(ConversionError, match=r"no runtime loads the graph \(custom operator DriftlineNobodyKnows"):
        runtimes_for(read_graph(asset("unknown-op")))


def test_the_highest_version_of_an_operator_counts_wherever_it_is() -> None:
    graph = read_graph(tflite([Op("ADD", 1), Op("ADD", 2), Op("WHILE")], [Op("ADD", 3), Op("MUL", 2)]))

    assert graph.ops == {"ADD": 3, "WHILE": 1, "MUL": 2}


def test_operators_beyond_the_old_byte_are_named() -> None:
    assert read_graph(tflite([Op("GELU", 2)])).ops == {"GELU": 2}


def limit_cases() -> list[tuple[str, int, tuple[str, ...]]]:
    """Each side of each limit of the operators that int8 networks of ours are made of, and of the known trap."""
    cases = []
    for name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "SOFTMAX", "MEAN", "ADD", "QUANTIZE"):
        limits = {runtime: op_limits()[runtime][name] for runtime in BOTH}
        for version in sorted({*limits.values(), *(limit + 1 for limit in limits.values())}):
            cases.append((name, version, tuple(runtime for runtime in BOTH if version <= limits[runtime])))
    return cases


@pytest.mark.parametrize(("name", "version", "able"), limit_cases())
def test_a_runtime_is_named_up_to_its_measured_limit(name: str, version: int, able: tuple[str, ...]) -> None:
    graph = read_graph(tflite([Op(name, version)]))

    if able:
        assert runtimes_for(graph) == able
    else:
        with pytest.raises(ConversionError, match=f"{name} version {version}"):
            runtimes_for(graph)


def test_fully_connected_12_of_dynamic_range_files_is_for_the_new_runtime_only() -> None:
    assert runtimes_for(read_graph(tflite([Op("FULLY_CONNECTED", 12)]))) == ("ai-edge-litert",)
    assert runtimes_for(read_graph(tflite([Op("FULLY_CONNECTED", 10)]))) == BOTH


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04" * 100, asset("digits-int8")[:300]], ids=["empty", "zip", "cut"])
def test_a_damaged_file_is_refused(data: bytes) -> None:
    with pytest.raises(UnsupportedArtifactError):
        read_graph(data)
