"""Self-supervised pre-training: what examples without labels teach the layers up to the embedding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from converter.errors import DatasetError, RecipeError
from converter.keras_process.pretraining import EndPretraining, Pretrain, PretrainEpoch
from converter.keras_process.process import KerasProcess
from converter.keras_process.views import SHAKEN, unknown
from converter.progress import Progress
from converter.recipe import PretrainRecipe, Recipe
from converter.training.watched import Curve, Stage


def pretrain(keras: KerasProcess, recipe: Recipe, inputs: NDArray[np.float32], progress: Progress) -> Curve:
    """Teach the model of ``keras`` by the recipe's section ``pretrain``; its head stays as it was.

    Args:
        keras: Holds a model with a layer named ``embedding``.
        recipe: Kind of the input, section pretrain, and training.seed.
        inputs: Preprocessed inputs (n, ...), without labels.
        progress: Told after each epoch.

    Returns:
        The loss of each epoch; empty without the section.

    Raises:
        DatasetError: Fewer examples than a batch.
        ConversionError: The loss grew beyond all bounds.
    """
    section = recipe.pretrain
    if section is None:
        return Curve()
    if len(inputs) < section.batch:
        raise DatasetError(
            f"pretrain.batch: found {section.batch} and {len(inputs)} examples to pre-train on, expected more examples "
            "than a batch; lower it, or name more data in dataset.unlabelled"
        )
    progress.step("pretrain", 0, section.epochs, f"{len(inputs)} examples without labels")
    keras.do("pre-training", _order(recipe, section, keras.write(x=inputs), len(inputs)))
    losses: list[float] = []
    for number in range(section.epochs):
        losses.append(keras.do("pre-training", PretrainEpoch()).loss or 0.0)
        progress.step("pretrain", number + 1, section.epochs, f"loss {losses[-1]:.3g}")
    keras.do("pre-training", EndPretraining())
    return Curve(loss=tuple(losses))


def after_pretraining(recipe: Recipe) -> Stage:
    """The run of the training loop that follows: of the part that ``pretrain.then`` names."""
    return Stage() if recipe.pretrain is None else Stage(part=recipe.pretrain.then)


def check_pretrain(recipe: Recipe) -> None:
    """Refuse a pre-training that cannot be done with this kind of data.

    Raises:
        RecipeError: Contrastive for rows, views for what is no picture, or with parameters that views do not know.
    """
    section = recipe.pretrain
    if section is None:
        return
    where = f"recipe {recipe.name}: pretrain"
    if section.method == "contrastive" and recipe.input.kind == "rows":
        raise RecipeError(f"{where}.method: found contrastive for rows, expected masked")
    if section.views is None:
        return
    if recipe.input.kind != "image" or section.method != "contrastive":
        raise RecipeError(
            f"{where}.views: found it for {section.method} {recipe.input.kind}, expected it for contrastive images"
        )
    strange = unknown(section.views)
    if strange:
        raise RecipeError(f"{where}.views: found {', '.join(strange)}, expected only {', '.join(SHAKEN)}")


def _order(recipe: Recipe, section: PretrainRecipe, file: str, count: int) -> Pretrain:
    return Pretrain(
        file=file,
        method=section.method,
        kind=recipe.input.kind,
        learning_rate=section.learning_rate,
        steps=section.epochs * (count // section.batch),
        batch=section.batch,
        temperature=section.temperature,
        projection=section.projection,
        mask=section.mask,
        views=section.views,
        seed=recipe.training.seed,
    )
