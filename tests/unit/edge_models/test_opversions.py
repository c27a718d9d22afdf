"""What each runtime loads, and what a file needs."""

from __future__ import annotations

import pytest
from ai_edge_litert import schema_py_generated as schema

from edge_models.engines.flatbuffer import check_tflite
from edge_models.engines.opversions import measured_versions, op_limits, op_name, too_new
from edge_models.engines.registry import TFLITE_RUNTIMES
from tests.factories.bundles import ASSETS

LITERT, TFLITE = TFLITE_RUNTIMES


def ops(name: str) -> dict[str, int]:
    return check_tflite((ASSETS / f"{name}.tflite").read_bytes())


def test_the_table_speaks_of_both_runtimes_and_of_every_operator_of_the_schema() -> None:
    numbers = {name: number for name, number in vars(schema.BuiltinOperator).items() if not name.startswith("_")}

    assert set(measured_versions()) == set(op_limits()) == set(TFLITE_RUNTIMES)
    assert [name for name, number in numbers.items() if op_name(number) != name] == []
    assert op_name(4711) == "OP_4711"


def test_what_a_file_needs_is_read_from_the_file() -> None:
    assert ops("digits-int8") == {"CONV_2D": 3, "RESHAPE": 1, "FULLY_CONNECTED": 4}
    assert ops("digits-dynamic-v12")["FULLY_CONNECTED"] == 12
    assert ops("unknown-op") == {"CUSTOM:DriftlineNobodyKnows": 1}


@pytest.mark.parametrize("form", ["float", "int8", "uint8", "float16", "dynamic", "int16x8"])
@pytest.mark.parametrize("runtime", TFLITE_RUNTIMES)
def test_the_usual_forms_load_everywhere(form: str, runtime: str) -> None:
    assert too_new(ops(f"digits-{form}"), runtime) == []


def test_what_is_too_new_is_named_with_its_version_and_the_limit() -> None:
    assert too_new(ops("digits-dynamic-v12"), LITERT) == []
    assert too_new(ops("digits-dynamic-v12"), TFLITE) == [
        "FULLY_CONNECTED version 12, tflite-runtime 2.14.0 loads up to 10"
    ]


def test_an_operator_that_a_runtime_lacks_is_named() -> None:
    assert too_new({"STABLEHLO_ADD": 1}, TFLITE) == [
        "STABLEHLO_ADD version 1, tflite-runtime 2.14.0 has no such operator"
    ]
    assert too_new({"CUSTOM:Nobody": 1}, LITERT) == ["custom operator Nobody, unknown to ai-edge-litert 2.3.0"]
    assert too_new({"CUSTOM:A": 1, "CUSTOM:B": 1}, LITERT) == ["custom operators A, B, unknown to ai-edge-litert 2.3.0"]
    assert too_new({"CUSTOM:TFLite_Detection_PostProcess": 1}, TFLITE) == []


def test_a_newer_runtime_than_the_measured_one_judges_for_itself() -> None:
    needed = {"FULLY_CONNECTED": 99}

    assert too_new(needed, LITERT, "2.3.0") == too_new(needed, LITERT)
    assert too_new(needed, LITERT, "2.10.0") == []
    assert too_new(needed, LITERT, "1.4.0") == ["FULLY_CONNECTED version 99, ai-edge-litert 1.4.0 loads up to 14"]
    assert too_new(needed, "a-runtime-of-tomorrow") == []
