"""What the TensorFlow process does: one model that is made, trained, asked, saved and converted."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from converter.keras_process.messages import Convert, Create, Fit, Load, Message, Predict, Save, Schedule
from converter.keras_process.tensorflow import load_tensorflow
from converter.training.networks import build_network
from edge_models.npz import read_npz, write_npz

MAX_ARRAY_BYTES = 8 << 30
_PREDICTED_AT_ONCE = 512


class Workbench:
    """Holds the model between orders."""

    def __init__(self) -> None:
        """Load TensorFlow, which takes seconds."""
        load_tensorflow()
        self._model: Any = None
        self._batch = 1

    def do(self, message: Message) -> float | None:
        """Carry out one order; the loss of an epoch, otherwise None."""
        match message:
            case Create():
                _seed(message.seed)
                self._model = build_network(message.network, message.shape, message.classes)
            case Load():
                _seed(message.seed)
                self._model = _loaded(message)
            case Schedule():
                self._compile(message)
            case Fit():
                return self._fit(message)
            case Predict():
                logits = self._logits(_arrays(message.file, "x")["x"])
                Path(message.result).write_bytes(write_npz({"logits": logits}))
            case Save():
                self._model.save(message.path)
            case Convert():
                self._convert(message)
            case _:
                assert_never(message)
        return None

    def _compile(self, message: Schedule) -> None:
        import keras

        rate = keras.optimizers.schedules.CosineDecay(message.learning_rate, message.steps, alpha=0.02)
        self._batch = message.batch
        self._model.compile(
            optimizer=keras.optimizers.AdamW(rate, weight_decay=message.weight_decay),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            steps_per_execution=16,  # fewer returns to Python: a third less time for small networks
        )

    def _fit(self, message: Fit) -> float:
        epoch = _arrays(message.file, "x", "y", "weight")
        history = self._model.fit(
            *(epoch["x"], epoch["y"]),
            sample_weight=epoch["weight"],
            batch_size=self._batch,
            verbose=0,
            shuffle=False,  # the parent has mixed them
        )
        loss = float(history.history["loss"][0])
        if not math.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss}; lower training.learning_rate")
        return loss

    def _logits(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        starts = range(0, len(x), _PREDICTED_AT_ONCE)
        parts = [np.asarray(self._model(x[i : i + _PREDICTED_AT_ONCE], training=False)) for i in starts]
        return np.concatenate(parts)

    def _convert(self, message: Convert) -> None:
        import keras

        shape = tuple(self._model.input_shape[1:])
        signature = [keras.InputSpec(shape=(1, *shape), dtype="float32", name="x")]  # batch 1: no reshaping
        with tempfile.TemporaryDirectory(dir=Path(message.int8).parent) as folder:
            # Not from_concrete_functions: with Keras 3 that silently writes a file without weights.
            self._model.export(folder, format="tf_saved_model", input_signature=signature, verbose=False)
            Path(message.float32).write_bytes(_tflite(folder, None))
            Path(message.int8).write_bytes(_tflite(folder, _arrays(message.calibration, "x")["x"]))


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


def _loaded(message: Load) -> Any:  # noqa: ANN401 - keras.Model
    import keras

    model = keras.models.load_model(message.path, compile=False)
    found = tuple(model.input_shape[1:]), model.output_shape[-1]
    if found != (message.shape, message.classes):
        raise ValueError(f"found {found[0]} to {found[1]} classes, expected {message.shape} to {message.classes}")
    return model


def _seed(seed: int) -> None:
    import keras

    keras.utils.set_random_seed(seed)


def _arrays(file: str, *names: str) -> dict[str, NDArray[Any]]:
    return read_npz(Path(file), max_bytes=MAX_ARRAY_BYTES, names=names)
