"""Trained backbones with a new head: of the user's own model, of keras.applications, or of an installed package."""
# ruff: noqa: ANN401 - Keras is loaded late, so its tensors and models have no static type here

from __future__ import annotations

import importlib
from typing import Any

from converter.keras_process.bench import RefusedModelError
from converter.keras_process.importing import fitted, read_model
from converter.keras_process.mobilenet_v2 import mobilenet_v2
from converter.recipe import TransferRecipe
from converter.training.networks import EMBEDDING
from converter.training.networks.parts import as_picture, classified, pooled

SMALLEST = 32  # pixels of a side; the published backbones halve a picture five times
_COLOURS = 3
_SHOWN = 5  # names of layers in a message
_OF_PICTURES = ("keras", "package")


def transferred(recipe: TransferRecipe, shape: tuple[int, ...], classes: int) -> Any:
    """A ``keras.Model`` from (batch, *shape) to logits (batch, classes), with a trained backbone and an untrained head.

    Published backbones get pictures in 0..1 and scale them as they were trained; grey ones become three equal colours.

    Raises:
        RefusedModelError: The backbone cannot be had, or does not fit the input.
    """
    import keras

    x = keras.Input(shape, name="x")
    kind, _, name = recipe.backbone.partition(":")
    hidden = _of_picture(recipe, kind, name, x) if kind in _OF_PICTURES else _of_own(recipe, x)
    if len(hidden.shape) == len(("batch", "height", "width", "channels")):
        hidden = pooled(hidden)
    elif len(hidden.shape) == len(("batch", "features")):
        hidden = keras.layers.Activation("linear", name=EMBEDDING)(hidden)
    else:
        found = tuple(hidden.shape[1:])
        raise RefusedModelError(f"network.layer: its output is {found}, expected (height, width, channels) or (n,)")
    return keras.Model(x, classified(hidden, classes, recipe.dropout))


def _of_own(recipe: TransferRecipe, x: Any) -> Any:
    base = _cut(read_model(recipe.backbone), recipe.layer, recipe.backbone)
    wanted, found = tuple(base.inputs[0].shape[1:]), tuple(x.shape[1:])
    if len(wanted) == len(found) and wanted[-1] == found[-1] and wanted != found:
        base = _resized(base, found, recipe.backbone)
    return base(fitted(recipe.backbone, x, tuple(base.inputs[0].shape[1:])))


def _of_picture(recipe: TransferRecipe, kind: str, name: str, x: Any) -> Any:
    from keras import layers

    if len(x.shape) != len(("batch", "height", "width", "channels")) or min(x.shape[1:3]) < SMALLEST:
        raise RefusedModelError(
            f"network.backbone: {recipe.backbone} found an input of {tuple(x.shape[1:])}, expected pictures with "
            f"sides of at least {SMALLEST}, which it halves five times; add op: resize to input.preprocess, to 96 x 96"
        )
    x = as_picture(x)
    if x.shape[-1] == 1:
        x = layers.Concatenate()([x] * _COLOURS)
    shape = tuple(x.shape[1:])
    if kind == "keras":
        base, x = _of_applications(name, recipe, x)
    elif name == "mobilenet_v2":
        base = mobilenet_v2(shape)
    else:
        raise RefusedModelError(f"network.backbone: found {recipe.backbone}, expected package:mobilenet_v2")
    return _cut(base, recipe.layer, recipe.backbone, whole=True)(x)


def _of_applications(name: str, recipe: TransferRecipe, x: Any) -> tuple[Any, Any]:
    """The backbone and its input, scaled as that backbone expects it."""
    import keras

    make = getattr(keras.applications, name, None)
    if not callable(make):
        raise RefusedModelError(
            f"network.backbone: found {recipe.backbone}, expected keras:NAME such as keras:MobileNetV2"
        )
    width = {"alpha": recipe.alpha} if name in ("MobileNet", "MobileNetV2") else {}
    try:
        base = make(include_top=False, weights="imagenet", input_shape=tuple(x.shape[1:]), **width)
    except Exception as exc:
        text = " ".join(str(exc).split())[:160]
        raise RefusedModelError(
            f"network.backbone: {recipe.backbone} could not be had ({text}); bring its file to ~/.keras/models, or use "
            "package:mobilenet_v2, which needs no download"
        ) from exc
    scaled = importlib.import_module(make.__module__).preprocess_input
    return base, scaled(keras.layers.Rescaling(255.0)(x))


def _cut(model: Any, layer: str | None, source: str, *, whole: bool = False) -> Any:
    """The model up to a layer; without a name to the embedding, or to what feeds the last layer with weights."""
    import keras

    names = [one.name for one in model.layers]
    if layer is None and whole:
        return model
    if layer is None and EMBEDDING not in names:
        heads = [one for one in model.layers if one.weights]
        if not heads:
            raise RefusedModelError(
                f"{source}: found no layers with weights, expected a Keras model and not a SavedModel"
            )
        return keras.Model(model.inputs, heads[-1].input)
    if layer is not None and layer not in names:
        raise RefusedModelError(
            f"network.layer: {source} has no {layer}, its last ones are {', '.join(names[-_SHOWN:])}"
        )
    return keras.Model(model.inputs, model.get_layer(layer or EMBEDDING).output)


def _resized(model: Any, shape: tuple[int, ...], source: str) -> Any:
    """The same layers over pictures of another size, where nothing in them is bound to it."""
    import keras

    try:
        resized = keras.models.clone_model(model, input_tensors=[keras.Input(shape)])
        resized.set_weights(model.get_weights())
    except Exception as exc:
        raise RefusedModelError(
            f"{source}: is bound to its input {tuple(model.inputs[0].shape[1:])}, found {shape}; add op: resize to "
            "input.preprocess, or name a layer: before the first dense one"
        ) from exc
    return resized
