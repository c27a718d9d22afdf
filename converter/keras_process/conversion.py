"""Orders that convert the model to .tflite, and how the TensorFlow process carries them out."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from converter.keras_process.bench import Answer, Bench, arrays
from edge_models.fields import described


@dataclass(frozen=True, slots=True, kw_only=True)
class Convert:
    """Convert to float32 and to static full int8."""

    op: Literal["convert"] = described("Name of the message.", default="convert")
    calibration: str = described("npz with x (n, ...) float32 that sets the ranges of the activations.")
    float32: str = described(".tflite file to write.")
    int8: str = described(".tflite file to write.")


def convert(bench: Bench, message: Convert) -> Answer:
    """Write both files."""
    import keras

    shape = tuple(bench.model.input_shape[1:])
    signature = [keras.InputSpec(shape=(1, *shape), dtype="float32", name="x")]  # batch 1: no reshaping
    with tempfile.TemporaryDirectory(dir=Path(message.int8).parent) as folder:
        # Not from_concrete_functions: with Keras 3 that silently writes a file without weights.
        bench.model.export(folder, format="tf_saved_model", input_signature=signature, verbose=False)
        Path(message.float32).write_bytes(_tflite(folder, None))
        Path(message.int8).write_bytes(_tflite(folder, arrays(message.calibration, "x")["x"]))
    return Answer()


def _tflite(saved_model: str, calibration: NDArray[np.float32] | None) -> bytes:
    """The .tflite form of a SavedModel: float32, or static full int8 with the ranges of ``calibration``."""
    import tensorflow as tf

    converter: Any = tf.lite.TFLiteConverter.from_saved_model(saved_model, signature_keys=["serving_default"])
    if calibration is not None:

        def representative() -> Iterator[list[NDArray[np.float32]]]:
            for frame in calibration:
                yield [frame[None]]

        # Per-channel dense weights would need FULLY_CONNECTED 12 in some modes; per-tensor ones run everywhere.
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True  # noqa: SLF001
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = representative
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    data: bytes = converter.convert()
    return data
