"""Make the model files of this folder again: `python -m tests.assets.make_models` (needs the extra converter).

    digits-int8.tflite    8x8 digits, static full int8, int8 in and out, logits
    digits-float.tflite   the same graph in float32
    unknown-op.tflite     well-formed, with an operator that no runtime knows
    digits-golden.npz     x (16, 8, 8, 1) int8 and y (16, 10) int8 of digits-int8, delegates off

The outputs differ in their last bits from one TensorFlow to the next; commit all four together.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_models.engines.tflite import TfliteModel
from edge_models.npz import write_npz
from edge_models.quantize import quantize

FOLDER = Path(__file__).parent
GOLDEN = 16


def main() -> None:
    """Train, convert twice, and record what the int8 file answers."""
    x, y = _digits()
    model = _trained(x[:1500], y[:1500])
    _write("digits-float.tflite", _converted(model, None))
    _write("digits-int8.tflite", _converted(model, x[:200]))
    _write("unknown-op.tflite", _unknown_op())
    int8 = TfliteModel((FOLDER / "digits-int8.tflite").read_bytes(), delegates=False)
    codes = quantize(x[1500 : 1500 + GOLDEN], int8.input.spec)
    _write("digits-golden.npz", write_npz({"x": codes, "y": np.stack([int8.run(frame)[0] for frame in codes])}))


def _digits() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    return (x[order].reshape(-1, 8, 8, 1) / 16).astype(np.float32), y[order]


def _trained(x: NDArray[np.float32], y: NDArray[np.int64]) -> Any:
    import keras

    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(6, 3, strides=2, padding="same", activation="relu"),
            keras.layers.Conv2D(8, 3, padding="same", activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(0.005), loss=loss)
    model.fit(x, y, epochs=8, batch_size=32, verbose=0)
    return model


def _converted(model: Any, calibration: NDArray[np.float32] | None) -> bytes:
    import keras
    import tensorflow as tf

    signature = [keras.InputSpec(shape=(1, *model.input_shape[1:]), dtype="float32", name="x")]
    with tempfile.TemporaryDirectory() as folder:
        model.export(folder, format="tf_saved_model", input_signature=signature, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["serving_default"])
        if calibration is not None:

            def representative() -> Iterator[list[NDArray[np.float32]]]:
                for frame in calibration:
                    yield [frame[None]]

            converter._experimental_disable_per_channel_quantization_for_dense_layers = True
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = representative
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.int8
        data: bytes = converter.convert()
    return data


def _unknown_op() -> bytes:
    import flatbuffers  # type: ignore[import-untyped]
    from ai_edge_litert import schema_py_generated as schema

    def tensor(name: str) -> Any:
        made = schema.TensorT()
        made.shape, made.type, made.buffer, made.name = [1, 4], schema.TensorType.FLOAT32, 0, name
        return made

    code, operator, graph, model = schema.OperatorCodeT(), schema.OperatorT(), schema.SubGraphT(), schema.ModelT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    code.customCode, code.version = "DriftlineNobodyKnows", 1
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [0], [1]
    graph.tensors, graph.inputs, graph.outputs, graph.operators = [tensor("x"), tensor("y")], [0], [1], [operator]
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [graph], [schema.BufferT()]
    builder = flatbuffers.Builder(256)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _write(name: str, data: bytes) -> None:
    (FOLDER / name).write_bytes(data)
    print(f"{name} {len(data)} bytes")


if __name__ == "__main__":
    main()
