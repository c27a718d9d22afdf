"""From a recipe's section ``network`` to an untrained Keras model."""

from __future__ import annotations

from typing import Any

from converter.errors import RecipeError
from converter.recipe import (
    AutoencoderRecipe,
    Cnn1dRecipe,
    CnnRecipe,
    DsCnnRecipe,
    MlpRecipe,
    MobileNetRecipe,
    NetworkRecipe,
    ResNet8Recipe,
    SavedRecipe,
    TransferRecipe,
)
from converter.training.networks import pictures, rows
from converter.training.networks.parts import as_picture, classified


def build_network(recipe: NetworkRecipe, input_shape: tuple[int, ...], classes: int) -> Any:  # noqa: ANN401
    """An untrained Keras model of a reference architecture.

    Args:
        recipe: Kind and size.
        input_shape: Of the preprocessed input, without batch axis.
        classes: Number of logits; an autoencoder has as many outputs as its input has numbers.

    Returns:
        A ``keras.Model`` from float32 (batch, *input_shape) to logits (batch, classes) or to a reconstruction
        (batch, numbers in an input). The layer whose output feeds the head is named ``embedding``.

    Raises:
        RecipeError: The section names a trained model, which ``importing`` takes.
    """
    import keras

    x = keras.Input(input_shape, name="x")
    return keras.Model(x, _outputs(recipe, x, classes))


def _outputs(recipe: NetworkRecipe, x: Any, classes: int) -> Any:  # noqa: ANN401
    match recipe:
        case CnnRecipe():
            return classified(pictures.cnn(recipe, as_picture(x)), classes, recipe.dropout)
        case ResNet8Recipe():
            return classified(pictures.resnet8(recipe, as_picture(x)), classes, recipe.dropout)
        case MobileNetRecipe():
            return classified(pictures.mobilenet(recipe, as_picture(x)), classes, recipe.dropout)
        case DsCnnRecipe():
            return classified(pictures.ds_cnn(recipe, as_picture(x)), classes, recipe.dropout)
        case Cnn1dRecipe():
            return classified(rows.cnn1d(recipe, x), classes, recipe.dropout)
        case MlpRecipe():
            return classified(rows.mlp(recipe, x), classes, recipe.dropout)
        case AutoencoderRecipe():
            return rows.autoencoder(recipe, x)
        case SavedRecipe() | TransferRecipe():
            raise RecipeError(f"network.type: found {recipe.type}, expected a reference network")
