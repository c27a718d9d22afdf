"""Make the model files of this folder again: `python -m tests.assets.make_models` (needs the extra converter).

    digits-int8.tflite    8x8 digits, static full int8, int8 in and out, logits
    digits-float.tflite   the same graph in float32
    digits-float16.tflite, digits-dynamic.tflite, digits-int16x8.tflite, digits-uint8.tflite
                          the same graph in the other forms; uint8 is full int8 with uint8 in and out
    digits-dynamic-v12.tflite
                          dynamic range with a scale for each channel of the dense layer: FULLY_CONNECTED version 12,
                          which tflite-runtime 2.14 does not load
    hum-int8.tflite       autoencoder of the rows of tests.factories.hum, int8 in and out, reconstruction
    unknown-op.tflite     well-formed, with an operator that no runtime knows
    digits-golden.npz     x (16, 8, 8, 1) int8 and y (16, 10) int8 of digits-int8, delegates off
    forms-golden.npz      x_FORM and y_FORM of each of the other forms, delegates off

The outputs differ in their last bits from one TensorFlow to the next; commit all of them together.
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
from tests.factories.hum import normal_rows

FOLDER = Path(__file__).parent
GOLDEN = 16
FORMS = ("float", "int8", "float16", "dynamic", "dynamic-v12", "int16x8", "uint8")
_BORDERS = {"int8": "int8", "int16x8": "int16", "uint8": "uint8"}  # dtype of the input and the output


def main() -> None:
    """Train, convert twice, and record what the int8 file answers."""
    x, y = _digits()
    model = _trained(x[:1500], y[:1500])
    for form in FORMS:
        _write(f"digits-{form}.tflite", _converted(model, form, x[:200]))
    _write("unknown-op.tflite", _unknown_op())
    golden = {form: _golden(form, x[1500 : 1500 + GOLDEN]) for form in FORMS}
    _write("digits-golden.npz", write_npz({"x": golden["int8"][0], "y": golden["int8"][1]}))
    others = [form for form in FORMS if form not in ("int8", "float")]
    arrays = {f"{key}_{form}": golden[form][i] for form in others for i, key in enumerate("xy")}
    _write("forms-golden.npz", write_npz(arrays))
    rows = normal_rows(4000, seed=0)
    _write("hum-int8.tflite", _converted(_autoencoder(rows), "int8", rows[:200]))


def _golden(form: str, x: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
    loaded = TfliteModel((FOLDER / f"digits-{form}.tflite").read_bytes(), delegates=False)
    codes = quantize(x, loaded.input.spec)
    return codes, np.stack([loaded.run(frame)[0] for frame in codes])


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


def _autoencoder(rows: NDArray[np.float32]) -> Any:
    import keras

    keras.utils.set_random_seed(0)
    columns = rows.shape[1]
    model = keras.Sequential(
        [
            keras.Input((columns,)),
            keras.layers.Dense(24, activation="relu"),
            keras.layers.Dense(4, activation="relu"),
            keras.layers.Dense(24, activation="relu"),
            keras.layers.Dense(columns),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.005), loss="mse")
    model.fit(rows, rows, epochs=20, batch_size=64, verbose=0)
    return model


def _converted(model: Any, form: str, calibration: NDArray[np.float32]) -> bytes:
    import keras
    import tensorflow as tf

    signature = [keras.InputSpec(shape=(1, *model.input_shape[1:]), dtype="float32", name="x")]
    with tempfile.TemporaryDirectory() as folder:
        model.export(folder, format="tf_saved_model", input_signature=signature, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["serving_default"])
        if form != "float":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter._experimental_disable_per_channel_quantization_for_dense_layers = form != "dynamic-v12"
        if form == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if form in _BORDERS:

            def representative() -> Iterator[list[NDArray[np.float32]]]:
                for frame in calibration:
                    yield [frame[None]]

            operators = "EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8"
            converter.representative_dataset = representative
            converter.target_spec.supported_ops = [
                tf.lite.OpsSet[operators if form == "int16x8" else "TFLITE_BUILTINS_INT8"]
            ]
            converter.inference_input_type = converter.inference_output_type = tf.as_dtype(_BORDERS[form])
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
