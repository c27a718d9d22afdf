"""Whether a network can be built for an input; asked before TensorFlow is loaded."""

from __future__ import annotations

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

_PICTURE = "(height, width[, channels]) of an image or (frames, bins) of a spectrogram"
_WINDOW = "(length, columns) of a window of rows"


def check_network(recipe: NetworkRecipe, input_shape: tuple[int, ...]) -> None:
    """Refuse a network that cannot be built for this input.

    Args:
        recipe: Kind and size.
        input_shape: Of the preprocessed input, without batch axis.

    Raises:
        RecipeError: It needs an input of another form, or a larger one.
    """
    match recipe:
        case CnnRecipe() | ResNet8Recipe() | MobileNetRecipe() | DsCnnRecipe():
            _expect_rank(recipe.type, input_shape, (2, 3), _PICTURE, "use type: mlp for rows")
        case Cnn1dRecipe():
            remedy = "add a window step to input.preprocess, or use type: mlp for single rows"
            _expect_rank(recipe.type, input_shape, (2,), _WINDOW, remedy)
        case MlpRecipe() | AutoencoderRecipe() | SavedRecipe() | TransferRecipe():
            return
    if isinstance(recipe, ResNet8Recipe | MobileNetRecipe | Cnn1dRecipe) and not recipe.filters:
        raise RecipeError(f"network.filters: found none, expected at least one for {recipe.type}, such as [16, 32, 64]")
    _check_size(recipe, input_shape)


def _expect_rank(kind: str, shape: tuple[int, ...], ranks: tuple[int, ...], form: str, remedy: str) -> None:
    if len(shape) not in ranks:
        raise RecipeError(f"network: found {kind} for an input of shape {shape}, expected {form}; {remedy}")


def _check_size(recipe: NetworkRecipe, shape: tuple[int, ...]) -> None:
    """Refuse an input of which nothing is left before the last layer: an empty picture trains to nothing."""
    halved = 0
    if isinstance(recipe, CnnRecipe) and recipe.halve in ("pool", "average"):  # convolutions with a stride end at 1 x 1
        halved = len(recipe.filters)
    if min(shape[:2]) < 2**halved:
        raise RecipeError(
            f"network.filters: found {halved} for an image of {shape[0]} x {shape[1]}, "
            f"expected a side of at least {2**halved}: each convolution halves it; leave some out"
        )
