"""Whether a file is what its mode promises."""

from __future__ import annotations

import pytest

from converter.errors import ConversionError, ConverterError, ModelError
from converter.quantize.inspection import inspect
from tests.factories.bundles import ASSETS
from tests.unit.converter.crafted import Op, tflite

RELU = Op("RELU")


def float_file(weights: dict[str, int]) -> bytes:
    return tflite([Op("RELU", dtype="FLOAT32")], border="FLOAT32", weights=weights)


def test_a_quantised_file_passes() -> None:
    found = inspect((ASSETS / "digits-int8.tflite").read_bytes(), "int8")

    assert found.runtimes == ("ai-edge-litert", "tflite-runtime")
    assert (found.float_ops, found.warnings) == ((), ())


def test_a_float_file_is_not_quantised() -> None:
    with pytest.raises(ConversionError, match="input float32 and output float32, expected int8; it was not converted"):
        inspect((ASSETS / "digits-float.tflite").read_bytes(), "int8")


def test_a_layer_that_was_to_stay_float_is_listed_with_its_casts() -> None:
    file = tflite([Op("DEQUANTIZE", dtype="FLOAT32"), Op("TANH", dtype="FLOAT32"), Op("QUANTIZE")])

    assert inspect(file, "int8", ["y1"]).float_ops == ("TANH",)


def test_another_layer_than_the_listed_one_is_refused() -> None:
    file = tflite([Op("DEQUANTIZE", dtype="FLOAT32"), Op("TANH", dtype="FLOAT32"), Op("GELU", dtype="FLOAT32")])

    with pytest.raises(ConverterError, match=r"output float32|operators GELU \(y2\)"):
        inspect(file, "int8", ["y1"])


def test_float16_wants_its_weights_in_half_precision() -> None:
    assert inspect(float_file({"FLOAT16": 100}), "float16").warnings == ()
    with pytest.raises(ConversionError, match="only 0% of the weights are float16"):
        inspect(float_file({"FLOAT32": 100}), "float16")


def test_dynamic_range_that_did_nothing_is_refused() -> None:
    with pytest.raises(ModelError, match=r"dynamic: nothing was quantised, .* fewer than 1,024 .* int8 or float16"):
        inspect(float_file({"FLOAT32": 100}), "dynamic")


def test_dynamic_range_that_took_a_part_warns() -> None:
    (warning,) = inspect(float_file({"INT8": 60, "FLOAT32": 40}), "dynamic").warnings

    assert warning.startswith("dynamic: only 60% of the weight bytes are int8")


def test_16x8_has_int16_at_its_border() -> None:
    file = tflite([Op("RELU", dtype="INT16")], border="INT16")

    assert inspect(file, "int16x8").graph.output_dtypes == ("int16",)
    with pytest.raises(ConversionError, match="expected int16"):
        inspect(tflite([RELU]), "int16x8")


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
            "the graph has input float32 and output int8, expected int8; it was not converted to int8",
        ),
        (
            tflite([RELU, Op("DEQUANTIZE", dtype="FLOAT32")]),
            "the graph has input int8 and output float32, expected int8",
        ),
        (
            tflite([Op("DEQUANTIZE", dtype="FLOAT32"), Op("GELU", dtype="FLOAT32"), Op("QUANTIZE")]),
            "operators GELU (y1) stayed in floating point; replace these layers, or use quantize.mode float16",
        ),
        (
            tflite([Op("DEQUANTIZE", dtype="FLOAT32"), Op("QUANTIZE")]),
            "operators DEQUANTIZE stayed in floating point",
        ),
        (
            tflite([RELU], [Op("TANH", dtype="FLOAT16")]),
            "operators TANH (y0) stayed in floating point",
        ),
        (tflite([RELU], weights={"INT8": 80, "FLOAT32": 20}), "only 80% of the weights are int8, expected 90 %"),
        (tflite([RELU], weights={}), "only 0% of the weights are int8"),
    ],
)
def test_a_file_that_only_claims_to_be_quantised_is_refused(file: bytes, said: str) -> None:
    with pytest.raises(ConverterError) as caught:
        inspect(file, "int8")

    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("weights", [{"INT8": 90, "FLOAT32": 10}, {"INT8": 10, "INT32": 1000}])
def test_biases_and_a_few_float_constants_do_not_count(weights: dict[str, int]) -> None:
    assert inspect(tflite([RELU], weights=weights), "int8").warnings == ()
