"""The Keras 2 side, in the environment that has tensorflow-model-optimization."""
# ruff: noqa: ANN401 - TensorFlow has no types

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from converter.qat.description import MAX_BYTES, Description, LayerStep
from edge_models.fields import decode_json
from edge_models.npz import read_npz

MAX_WEIGHT_BYTES = 1 << 30
INPUT_NAME = "x"


def rebuilt(document: bytes, weights: Path, seed: int) -> Any:
    """The model of a Description with its weights."""
    import tf_keras

    tf_keras.utils.set_random_seed(seed)
    description = decode_json(Description, document, max_bytes=MAX_BYTES)
    source = tf_keras.Input(description.shape, name=INPUT_NAME)
    outputs: list[Any] = []
    layers: list[Any] = []
    for number, step in enumerate(description.steps):
        layers.append(_layer(step, number))
        inputs = [source if place < 0 else outputs[place] for place in step.inputs]
        outputs.append(layers[-1](inputs if len(inputs) > 1 else inputs[0]))
    model = tf_keras.Model(source, outputs[-1])
    arrays = read_npz(weights, max_bytes=MAX_WEIGHT_BYTES)
    for number, (step, layer) in enumerate(zip(description.steps, layers, strict=True)):
        layer.set_weights([arrays[f"{number}.{i}"] for i in range(step.weights)])
    return model


def simulated(model: Any) -> Any:
    """The same model with simulated rounding to int8, per channel for convolutions."""
    import tensorflow_model_optimization as tfmot

    return tfmot.quantization.keras.quantize_model(model)


def int8_file(model: Any) -> bytes:
    """A simulated model as full int8 .tflite, int8 in and out, with a named signature and batch size 1."""
    import tensorflow as tf

    module = tf.Module()
    module.model = model  # so that its variables are saved
    spec = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name=INPUT_NAME)
    function = tf.function(lambda x: {"output_0": model(x, training=False)}, input_signature=[spec])
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures={"serving_default": function.get_concrete_function()})
        converter: Any = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["serving_default"])
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        # The simulation of dense kernels was per tensor.
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True  # noqa: SLF001
        converter.inference_input_type = converter.inference_output_type = tf.int8
        data: bytes = converter.convert()
    return data


def _layer(step: LayerStep, number: int) -> Any:
    import tf_keras

    return getattr(tf_keras.layers, step.kind)(name=f"{step.name}_{number}", **json.loads(step.config))
