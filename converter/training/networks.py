"""Reference networks in Keras 3; TensorFlow is loaded when one is built, not before."""

from __future__ import annotations

from typing import Any

from converter.errors import RecipeError
from converter.recipe import CnnRecipe, MlpRecipe, NetworkRecipe


def check_network(recipe: NetworkRecipe, input_shape: tuple[int, ...]) -> None:
    """Refuse a network that cannot be built for this input.

    Raises:
        RecipeError: It needs an image, or a larger one.
    """
    if not isinstance(recipe, CnnRecipe):
        return
    if len(input_shape) != 3:
        raise RecipeError(
            f"network: found cnn for an input of shape {input_shape}, expected (height, width, channels) of an image; "
            "use type: mlp for rows"
        )
    smallest = 2 ** len(recipe.filters) if recipe.halve == "pool" else 1
    if min(input_shape[:2]) < smallest:
        raise RecipeError(
            f"network.filters: found {len(recipe.filters)} for an image of {input_shape[0]} x {input_shape[1]}, "
            f"expected a side of at least {smallest}: each convolution halves it; leave some out"
        )


def build_network(recipe: NetworkRecipe, input_shape: tuple[int, ...], classes: int) -> Any:  # noqa: ANN401
    """An untrained Keras model.

    Args:
        recipe: Kind and size.
        input_shape: Of the preprocessed input, without batch axis.
        classes: Number of logits.

    Returns:
        A ``keras.Model`` from float32 (batch, *input_shape) to logits (batch, classes).
    """
    import keras

    inputs = keras.Input(input_shape, name="x")
    match recipe:
        case CnnRecipe():
            hidden = _convolutions(recipe, inputs)
        case MlpRecipe():
            hidden = _dense_layers(recipe, inputs)
        case _:
            raise RecipeError(f"network: found {recipe.type}, expected cnn or mlp")
    return keras.Model(inputs, keras.layers.Dense(classes, name="logits")(hidden))


def _convolutions(recipe: CnnRecipe, x: Any) -> Any:  # noqa: ANN401
    from keras import layers

    for filters in recipe.filters:
        stride = 2 if recipe.halve == "stride" else 1
        x = layers.Conv2D(filters, recipe.kernel, strides=stride, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9)(x)  # folded into the convolution by the conversion
        x = layers.ReLU()(x)
        if recipe.halve == "pool":
            x = layers.MaxPooling2D()(x)
    x = layers.Dense(recipe.dense, activation="relu")(layers.Flatten()(x))
    return layers.Dropout(recipe.dropout)(x)


def _dense_layers(recipe: MlpRecipe, x: Any) -> Any:  # noqa: ANN401
    from keras import layers

    x = layers.Flatten()(x)
    for width in recipe.hidden:
        x = layers.Dropout(recipe.dropout)(layers.Dense(width, activation="relu")(x))
    return x
