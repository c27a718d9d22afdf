"""What is really in a converted file, and who can run it."""

from __future__ import annotations

import pytest

from converter.errors import ConversionError
from converter.quantize.graph import check_int8, op_limits, read_graph, runtimes_for
from edge_models.errors import UnsupportedArtifactError
from tests.factories.bundles import ASSETS
from tests.unit.converter.crafted import Op, tflite

BOTH = ("ai-edge-litert", "tflite-runtime")
RELU = Op("RELU")


def asset(name: str) -> bytes:
    return (ASSETS / f"{name}.tflite").read_bytes()


def test_a_quantised_file_passes_and_runs_everywhere() -> None:
    graph = read_graph(asset("digits-int8"))

    check_int8(graph)
    assert graph.ops == {"CONV_2D": 3, "RESHAPE": 1, "FULLY_CONNECTED": 4}
    assert (graph.input_dtypes, graph.output_dtypes, graph.float_ops) == (("int8",), ("int8",), ())
    assert graph.int8_weight_share == 1.0
    assert runtimes_for(graph) == BOTH


def test_a_float_file_runs_everywhere_and_is_not_quantised() -> None:
    graph = read_graph(asset("digits-float"))

    assert runtimes_for(graph) == BOTH
    with pytest.raises(ConversionError, match="input float32 and output float32, expected int8; it was not quantised"):
        check_int8(graph)


def test_an_operator_that_nobody_has_is_named() -> None:
    with pytest.raises(ConversionError, match=r"no runtime loads the graph \(ai-edge-litert: CUSTOM:DriftlineNobodyKn"):
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
        with pytest.raises(ConversionError, match=f"{name} {version}"):
            runtimes_for(graph)


def test_fully_connected_12_of_dynamic_range_files_is_for_the_new_runtime_only() -> None:
    assert runtimes_for(read_graph(tflite([Op("FULLY_CONNECTED", 12)]))) == ("ai-edge-litert",)
    assert runtimes_for(read_graph(tflite([Op("FULLY_CONNECTED", 10)]))) == BOTH


@pytest.mark.parametrize(
    ("file", "said"),
    [
        # With Keras 3 a file made from a concrete function has variables and no weights.
        (
            tflite([Op("VAR_HANDLE"), Op("READ_VARIABLE"), RELU], weights={}),
            "the graph holds VAR_HANDLE, READ_VARIABLE and not the weights; freeze the model first",
        ),
        (tflite([RELU], [Op("ASSIGN_VARIABLE")]), "the graph holds ASSIGN_VARIABLE and not the weights"),
        (
            tflite([Op("QUANTIZE")], border="FLOAT32"),
            "the graph has input float32 and output int8, expected int8",
        ),
        (
            tflite([RELU, Op("DEQUANTIZE", dtype="FLOAT32")]),
            "the graph has input int8 and output float32, expected int8",
        ),
        (
            tflite([Op("DEQUANTIZE", dtype="FLOAT32"), Op("GELU", dtype="FLOAT32"), Op("QUANTIZE")]),
            "operators GELU stayed in floating point; replace these layers",
        ),
        (
            tflite([Op("DEQUANTIZE", dtype="FLOAT32"), Op("QUANTIZE")]),
            "operators DEQUANTIZE stayed in floating point",
        ),
        (
            tflite([RELU], [Op("TANH", dtype="FLOAT16")]),
            "operators TANH stayed in floating point",
        ),
        (tflite([RELU], weights={"INT8": 80, "FLOAT32": 20}), "only 80% of the weights are int8, expected 90 %"),
        (tflite([RELU], weights={}), "only 0% of the weights are int8"),
    ],
)
def test_a_file_that_only_claims_to_be_quantised_is_refused(file: bytes, said: str) -> None:
    with pytest.raises(ConversionError) as caught:
        check_int8(read_graph(file))

    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("weights", [{"INT8": 90, "FLOAT32": 10}, {"INT8": 10, "INT32": 1000}])
def test_biases_and_a_few_float_constants_do_not_count(weights: dict[str, int]) -> None:
    check_int8(read_graph(tflite([RELU], weights=weights)))


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04" * 100, asset("digits-int8")[:300]], ids=["empty", "zip", "cut"])
def test_a_damaged_file_is_refused(data: bytes) -> None:
    with pytest.raises(UnsupportedArtifactError):
        read_graph(data)
