"""Real conversions of one small trained network: all precisions, layer by layer, and what cannot be converted."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from converter.keras_process.process import KerasProcess
from converter.quantize.convert import convert
from converter.quantize.inspection import layer_name
from converter.quantize.sensitivity import sensitive_layers, sensitivity
from converter.recipe import CnnRecipe, QuantizeRecipe
from edge_models.engines.tflite import TfliteModel
from edge_models.quantize import dequantize, quantize
from tests.architecture.tree import ROOT

pytestmark = pytest.mark.integration

BOTH = ("ai-edge-litert", "tflite-runtime")
SHAPE = (16, 16, 1)


@pytest.fixture(scope="module")
def frames() -> NDArray[np.float32]:
    return np.random.default_rng(1).normal(size=(40, *SHAPE)).astype(np.float32)


@pytest.fixture(scope="module")
def keras() -> Iterator[KerasProcess]:
    with KerasProcess() as process:
        process.create(CnnRecipe(filters=(8, 16), dense=64), SHAPE, 4, seed=1)
        yield process


def outputs(data: bytes, frames: NDArray[np.float32]) -> NDArray[np.float32]:
    model = TfliteModel(data, delegates=False)
    try:
        spec = model.input.spec
        codes = frames if spec.quant is None else quantize(frames, spec)
        given = np.stack([model.run(frame)[0] for frame in codes])
        return np.asarray(given if spec.quant is None else dequantize(given, model.outputs[0].spec), np.float32)
    finally:
        model.close()


def test_each_precision_is_what_it_promises_and_near_the_float_model(
    keras: KerasProcess, frames: NDArray[np.float32]
) -> None:
    recipe = QuantizeRecipe(also=("float16", "dynamic", "int16x8"))

    made = convert(keras, recipe, frames)

    exact = outputs(made.float32, frames)
    assert np.abs(exact - keras.logits(frames)).max() < 1e-4
    assert tuple(made.files) == ("int8", "float16", "dynamic", "int16x8")
    for mode, allowed in {"float16": 0.002, "dynamic": 0.05, "int16x8": 0.02, "int8": 0.1}.items():
        data = made.files[mode]  # type: ignore[index]
        assert len(data) < len(made.float32), mode
        assert made.inspections[mode].runtimes == BOTH, mode  # type: ignore[index]
        assert np.abs(outputs(data, frames) - exact).max() < allowed * np.abs(exact).max(), mode


def test_the_embedding_comes_with_each_precision_and_leaves_the_answers_alone(
    keras: KerasProcess, frames: NDArray[np.float32]
) -> None:
    recipe = QuantizeRecipe(also=("float32", "float16", "dynamic", "int16x8"))
    plain = convert(keras, recipe, frames)

    shown = convert(keras, recipe, frames, embedding="auto")

    for mode, data in shown.files.items():
        assert np.array_equal(outputs(data, frames), outputs(plain.files[mode], frames)), mode
        answer, embedding = TfliteModel(data).outputs
        assert (answer.spec.shape, embedding.spec.shape) == ((4,), (64,)), mode
        assert answer.spec.dtype == embedding.spec.dtype, mode
    assert shown.float32 == plain.float32


def test_the_embedding_is_int8_whichever_layer_stays_float(keras: KerasProcess, frames: NDArray[np.float32]) -> None:
    layers = [layer.tensor for layer in sensitivity(keras, QuantizeRecipe(), frames) if layer.op != "RESHAPE"]

    for kept in layers:
        made = convert(keras, QuantizeRecipe(), frames, keep_float=[kept], embedding="auto")
        answer, *embedding = (output.spec for output in TfliteModel(made.files["int8"]).outputs)
        assert [answer.dtype, *(spec.dtype for spec in embedding)] == ["int8", "int8"], kept


def test_the_most_sensitive_layer_can_stay_float(keras: KerasProcess, frames: NDArray[np.float32]) -> None:
    layers = sensitivity(keras, QuantizeRecipe(), frames)
    (worst,) = sensitive_layers(layers, 1)

    made = convert(keras, QuantizeRecipe(), frames, keep_float=[worst])

    assert {layer.op for layer in layers} == {"CONV_2D", "RESHAPE", "FULLY_CONNECTED"}
    assert all(sum(layer.histogram) > 0 and 0 < layer.half_range <= 1 for layer in layers)
    inspection = made.inspections["int8"]
    assert inspection.float_ops == ({layer.tensor: layer.op for layer in layers}[worst],)
    assert {layer_name(name) for name in inspection.graph.float_layers} == {layer_name(worst)}
    assert inspection.graph.input_dtypes == inspection.graph.output_dtypes == ("int8",)


# The process is asked for a model that no recipe describes, so this is run in one of its own.
UNUSUAL = """
import sys, tempfile
from converter.keras_process.tensorflow import load_tensorflow
load_tensorflow()
import keras, numpy as np
from converter.keras_process.bench import Bench, RefusedModelError
from converter.keras_process.conversion import Convert, convert
from edge_models.npz import write_npz

kinds = {"lstm": keras.layers.LSTM(4), "norm": keras.layers.LayerNormalization()}
bench = Bench()
bench.model = keras.Sequential([keras.Input((8, 4)), kinds[sys.argv[1]], keras.layers.Flatten(), keras.layers.Dense(2)])
with tempfile.TemporaryDirectory() as folder:
    with open(folder + "/x.npz", "wb") as file:
        file.write(write_npz({"x": np.ones((8, 8, 4), np.float32)}))
    try:
        convert(bench, Convert(calibration=folder + "/x.npz", folder=folder, modes=("float32", sys.argv[2])))
    except RefusedModelError as exc:
        print(exc)
"""


@pytest.mark.parametrize(
    ("layer", "mode", "said"),
    [
        (
            "lstm",
            "int8",
            "found rolled recurrent layers (lstm), whose loop cannot be quantised; build them with unroll=",
        ),
        (
            "norm",
            "int16x8",
            "operator NEG (as in LayerNormalization) cannot be converted to int16x8; use quantize.mode",
        ),
    ],
)
def test_what_tensorflow_crashes_or_raises_on_is_refused_in_a_sentence(layer: str, mode: str, said: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", UNUSUAL, layer, mode], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert ended.stdout.strip().splitlines()[-1].startswith(said)


def test_layers_are_measured_of_an_input_that_is_symmetric(keras: KerasProcess, frames: NDArray[np.float32]) -> None:
    """Its zero point is 0, which TensorFlow's debugger takes for none."""
    symmetric = np.clip(frames, -128 / 127, 1)
    symmetric[0, 0, :2, 0] = (-128 / 127, 1)

    layers = sensitivity(keras, QuantizeRecipe(), symmetric)

    assert all(layer.sqnr_db > 15 for layer in layers)
