"""How the pixels of an imported Keras model were scaled when it was trained: tried on a few labelled pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from converter.datasets.split import stratified
from converter.keras_process.process import KerasProcess
from converter.preparation import prepare
from converter.progress import Progress
from converter.recipe import Recipe
from converter.training.course import outputs_of
from converter.wrap.fitting import USUAL_SCALINGS
from converter.wrap.trying import likelihood
from edge_models.manifest import ScaleStep
from edge_models.signals import softmax

_TRIED = 200  # pictures


def with_usual_scaling(recipe: Recipe, progress: Progress) -> tuple[Recipe, str | None]:
    """The recipe with a step that scales pixels as the labels speak for, and what was found; or as it is.

    Only pictures of bytes without any step are tried: whoever writes steps knows the model.

    Args:
        recipe: Of a saved model.
        progress: Told after each way.
    """
    if recipe.input.kind != "image" or recipe.input.preprocess or recipe.task != "classification":
        return recipe, None
    prepared = prepare(recipe, progress)
    if prepared.data.x.dtype != np.uint8:
        return recipe, None
    chosen = stratified(prepared.data.y, _TRIED, recipe.training.seed)
    pixels, y = prepared.inputs(chosen), prepared.data.y[chosen]
    found, shown = [], []
    with KerasProcess() as keras:
        shape = prepared.preprocess.output_shape
        outputs = outputs_of(recipe, shape, len(prepared.data.labels))
        keras.create(recipe.network, shape, outputs, seed=recipe.training.seed)
        for number, (factor, offset) in enumerate(USUAL_SCALINGS):
            logits = keras.logits(pixels * np.float32(factor) + np.float32(offset))
            found.append(likelihood(softmax(logits), y))
            shown.append(f"{(logits.argmax(axis=1) == y).mean():.3f}")
            progress.step("fit", number + 1, len(USUAL_SCALINGS), f"accuracy {shown[-1]}")
    factor, offset = USUAL_SCALINGS[int(np.argmax(found))]
    said = (
        f"pixels as {offset:g} to {255 * factor + offset:g}, the best of {len(found)} ways on {len(y)} examples "
        f"(accuracy {', '.join(shown)}); --preprocess says otherwise"
    )
    if (factor, offset) == (1.0, 0.0):
        return recipe, said
    step = ScaleStep(factor=factor, offset=offset)
    return replace(recipe, input=replace(recipe.input, preprocess=(step,))), said
