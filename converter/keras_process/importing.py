"""Take a trained model of the user's: .keras, .h5 or the folder of a SavedModel, made to fit its input and its labels.

Whatever it comes from, what is left is a ``keras.Model`` from float32 (batch, *shape) to logits (batch, labels), or to
a reconstruction. A softmax or sigmoid at the end of a classifier is left out: it says nothing more about which class is
the largest, and a probability in int8 has 256 steps of one size, where logits have a scale of their own.
"""
# ruff: noqa: ANN401 - Keras is loaded late, so its models and layers have no static type here

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from converter.keras_process.bench import RefusedModelError
from converter.keras_process.frozen_graph import LAST, frozen_model

FORMS = "a .keras file, an .h5 file with the whole model, or the folder of a SavedModel"
_H5 = (".h5", ".hdf5")
_BATCH_AND_FEATURES = 2  # rank of logits


def imported(path: str, shape: tuple[int, ...], outputs: int) -> Any:
    """The model of a file or folder.

    Args:
        path: Of the model.
        shape: Of the preprocessed input, without batch axis; axes of length 1 that the model lacks are taken off.
        outputs: Logits that it must have, or numbers in the reconstruction of an autoencoder.

    Raises:
        RefusedModelError: It cannot be read, or does not fit input or labels.
    """
    import keras

    is_copy = outputs == math.prod(shape)
    model = read_model(path, LAST[:1] if is_copy else LAST)
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        found = f"{len(model.inputs)} inputs and {len(model.outputs)} outputs"
        raise RefusedModelError(f"{path}: found {found}, expected one of each; cut the model down to what devices need")
    batch = model.inputs[0].shape[0]
    inputs = keras.Input(shape, batch_size=batch, name="x")
    hidden = fitted(path, inputs, tuple(model.inputs[0].shape[1:]))
    return keras.Model(inputs, _answer(path, _applied(path, model, hidden), outputs))


def read_model(path: str, without: tuple[str, ...] = LAST) -> Any:
    """The Keras model of a file or folder.

    Args:
        path: Of the model.
        without: Activations that are left out at its end.

    Raises:
        RefusedModelError: It cannot be read.
    """
    place = Path(path)
    if place.is_dir():
        return frozen_model(path, without)
    if not place.is_file():
        raise RefusedModelError(f"{path}: no such file or folder, expected {FORMS}")
    import keras

    try:
        shims = _shims() if place.suffix in _H5 else None
        model = keras.models.load_model(path, compile=False, custom_objects=shims)
    except Exception as exc:
        raise RefusedModelError(f"{path}: {_reason(exc)}") from exc
    return without_activation(model, without)


def without_activation(model: Any, without: tuple[str, ...]) -> Any:
    """The same model that ends with logits where it ended with one of these activations."""
    import keras

    last = model.outputs[0]._keras_history.operation  # noqa: SLF001 - Keras offers no other way to it
    if isinstance(last, keras.layers.Softmax):
        return keras.Model(model.inputs, last.input)
    if isinstance(last, keras.Model):
        without_activation(last, without)
    elif getattr(getattr(last, "activation", None), "__name__", "").title() in without:
        last.activation = keras.activations.linear  # read at every call, and written by save
    return model


def fitted(path: str, x: Any, wanted: tuple[int | None, ...]) -> Any:
    """The input in the form that the model wants; only axes of length 1 may differ, or it is laid out flat.

    Raises:
        RefusedModelError: More than that differs.
    """
    from keras import layers

    found = tuple(x.shape[1:])
    if len(found) == len(wanted) and all(want in (have, None) for have, want in zip(found, wanted, strict=True)):
        return x
    known = [want for want in wanted if want is not None]
    is_flat = len(wanted) == 1 and known == [math.prod(found)]
    if len(known) == len(wanted) and (is_flat or _thick(found) == _thick(known)):
        return layers.Reshape(tuple(known))(x)
    raise RefusedModelError(
        f"{path}: its input is {_shown(wanted)}, found {_shown(found)} after input.preprocess; "
        "change the steps, such as resize, greyscale or window"
    )


def _applied(path: str, model: Any, x: Any) -> Any:
    try:
        outputs = model(x)
        return outputs[0] if isinstance(outputs, list | tuple) else outputs  # files of Keras 2 give a list of one
    except Exception as exc:
        raise RefusedModelError(f"{path}: cannot take an input {_shown(x.shape[1:])}; {_reason(exc)}") from exc


def _answer(path: str, y: Any, outputs: int) -> Any:
    """The output (batch, outputs) of whatever the model gives."""
    from keras import layers

    found = tuple(y.shape[1:])
    if len(found) + 1 != _BATCH_AND_FEATURES and None not in found and math.prod(found) == outputs:
        y = layers.Flatten()(y)
    elif found == (1,) and outputs == 2:  # one logit of the second class: the same odds with two
        both = layers.Dense(2, use_bias=False, name="logits")
        y = both(y)
        both.set_weights([np.array([[-0.5, 0.5]], np.float32)])
    elif found != (outputs,):
        raise RefusedModelError(
            f"{path}: its output is {_shown(found)}, expected ({outputs}): one number for each label, or for each of "
            "the input of an autoencoder; correct the labels or the model"
        )
    return y


def _shims() -> dict[str, Any]:
    """Layers of Keras 2 whose files say more than those of Keras 3 can read."""
    from keras import layers

    class DepthwiseConv2D:
        """Keras 2 wrote ``groups: 1``, which the layer never had."""

        @classmethod
        def from_config(cls, config: dict[str, Any]) -> Any:
            return layers.DepthwiseConv2D.from_config({key: config[key] for key in config if key != "groups"})

    return {"DepthwiseConv2D": DepthwiseConv2D}


def _reason(exc: Exception) -> str:
    """What is wrong, in one line, with the remedy where the error is one that users meet."""
    text = " ".join(str(exc).split())
    own_layer = "it holds a layer of your own; write it with model.export(FOLDER) and import the folder"
    known = {
        "truncated file": "the file is truncated; copy it again",
        "file signature not found": f"no HDF5 file, expected {FORMS}",
        "accessible `.keras` zip": "no .keras file, or a truncated one; copy it again",
        "not a zip file": "no .keras file, or a truncated one; copy it again",
        "format not supported": f"expected {FORMS}",
        "No model config": "it holds weights only, expected a whole model; write it with model.save(...)",
        "unknown layer": own_layer,
        "could not locate class": own_layer,
        "lambda": "it holds a Lambda layer, which is code from the file; write it with model.export(FOLDER) instead",
    }
    for sign, remedy in known.items():
        if sign.lower() in text.lower():
            return remedy
    return f"Keras cannot read it ({type(exc).__name__}: {text[:160]}); expected {FORMS}"


def _thick(shape: Any) -> list[int]:
    return [length for length in shape if length != 1]


def _shown(shape: Any) -> str:
    return "(" + ", ".join("any" if length is None else str(length) for length in shape) + ")"
