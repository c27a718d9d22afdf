"""Orders that convert the model to .tflite, and how the TensorFlow process carries them out."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from converter.keras_process.bench import Answer, Bench, arrays
from converter.keras_process.tensor_names import short_names
from converter.keras_process.unconvertible import STATIC, explained, refuse_loop, refuse_loops
from converter.recipe.quantize import Mode
from edge_models.fields import described

_FloatFrames = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Convert:
    """Convert to one .tflite file for each mode, ``MODE.tflite``."""

    op: Literal["convert"] = described("Name of the message.", default="convert")
    calibration: str = described("npz with x (n, ...) float32 that sets the ranges of the activations.")
    folder: str = described("Where to write the files.")
    modes: tuple[Mode, ...] = described("Precisions; float32 first, because it is looked at before the others.")
    keep_float: tuple[str, ...] = described("int8: layers that stay float, by their output tensors.", default=())
    dense: Literal["per_tensor", "per_channel"] = described("Scales of dense kernels.", default="per_tensor")


def convert(bench: Bench, message: Convert) -> Answer:
    """Write the files."""
    is_static = any(mode in STATIC for mode in message.modes)
    if is_static:
        refuse_loops(bench.model)
    calibration = arrays(message.calibration, "x")["x"]
    with exported(bench, message.folder) as saved_model:
        for mode in message.modes:
            with explained(mode):
                data = _tflite(saved_model, mode, calibration, message)
            if mode == "float32" and is_static:
                refuse_loop(data)
            Path(message.folder, f"{mode}.tflite").write_bytes(data)
    return Answer()


@contextmanager
def exported(bench: Bench, parent: str) -> Iterator[str]:
    """The model as a SavedModel folder with a named signature and batch size 1."""
    import keras

    shape = tuple(bench.model.input_shape[1:])
    signature = [keras.InputSpec(shape=(1, *shape), dtype="float32", name="x")]  # batch 1: no reshaping
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        # Not from_concrete_functions: with Keras 3 that silently writes a file without weights.
        bench.model.export(folder, format="tf_saved_model", input_signature=signature, verbose=False)
        yield folder


def converter_for(saved_model: str, dense: str) -> Any:  # noqa: ANN401 - TensorFlow has no types
    """A converter of a SavedModel with the settings that all quantised modes share."""
    import tensorflow as tf

    made: Any = tf.lite.TFLiteConverter.from_saved_model(saved_model, signature_keys=["serving_default"])
    # Per-channel dense kernels would make dynamic range need FULLY_CONNECTED 12, which tflite-runtime 2.14 lacks.
    made._experimental_disable_per_channel_quantization_for_dense_layers = dense == "per_tensor"  # noqa: SLF001
    made.optimizations = [tf.lite.Optimize.DEFAULT]
    return made


def representative(calibration: _FloatFrames) -> Callable[[], Iterator[list[_FloatFrames]]]:
    """What TensorFlow wants calibration data to be: a function that begins them again at each call."""
    return lambda: ([frame[None]] for frame in calibration)


def calibrated(saved_model: str, calibration: _FloatFrames, dense: str) -> bytes:
    """The float graph with the ranges of its tensors, to be quantised by ``quantised``."""
    made = converter_for(saved_model, dense)
    made.representative_dataset = representative(calibration)
    made._experimental_calibrate_only = True  # noqa: SLF001 - as QuantizationDebugger does
    return short_names(made.convert())


def quantised(
    data: bytes, dense: str, *, keep_float: Sequence[str] = (), verify: Literal["none", "layers"] = "none"
) -> bytes:
    """Static full int8, int8 in and out, of what ``calibrated`` made.

    Args:
        data: The calibrated graph.
        dense: per_tensor or per_channel.
        keep_float: Output tensors of the operators that stay float.
        verify: ``layers`` puts an operator beside each quantised one that compares it with its float form.
    """
    from tensorflow.lite.python.convert import mlir_quantize

    made: bytes = mlir_quantize(
        data,
        fully_quantize=True,
        enable_numeric_verify=verify == "layers",
        denylisted_nodes=list(keep_float) or None,
        disable_per_channel_for_dense_layers=dense == "per_tensor",
    )
    return made


def _tflite(saved_model: str, mode: Mode, calibration: _FloatFrames, message: Convert) -> bytes:
    import tensorflow as tf

    if mode == "int8":
        graph = calibrated(saved_model, calibration, message.dense)
        return quantised(graph, message.dense, keep_float=message.keep_float)
    made = converter_for(saved_model, "per_tensor" if mode == "dynamic" else message.dense)
    match mode:
        case "float32":
            made.optimizations = []
        case "float16":
            made.target_spec.supported_types = [tf.float16]
        case "dynamic":
            pass
        case "int16x8":
            made.representative_dataset = representative(calibration)
            ops = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
            made.target_spec.supported_ops = [ops]
            made.inference_input_type = made.inference_output_type = tf.int16
    data: bytes = made.convert()
    return data
