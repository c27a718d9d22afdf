"""Data and input of a build, and whether they fit the recipe: all that can be refused before TensorFlow is needed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.datasets import Dataset, Splits, load_dataset, split
from converter.datasets.windows import ExampleInputs, cut, window_step
from converter.errors import DatasetError, RecipeError
from converter.recipe import Recipe
from converter.training.networks import check_network
from edge_models.errors import EdgeModelsError
from edge_models.manifest import InputSpec
from edge_models.tensors import Dtype, TensorSpec

_DTYPES: dict[str, Dtype] = {"uint8": "uint8", "int8": "int8", "int16": "int16", "float32": "float32"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prepared:
    """Data and preprocessing, before any network exists.

    Attributes:
        data: The examples; whole windows where the device collects windows.
        parts: Which of them are for what.
        spec: What the device is told about its input.
        preprocess: From examples to the model's inputs.
    """

    data: Dataset
    parts: Splits
    spec: InputSpec
    preprocess: ExampleInputs

    def inputs(self, part: NDArray[np.intp]) -> NDArray[np.float32]:
        """Preprocessed inputs of one part."""
        return self.preprocess.batch(self.data.x[part])


def prepare(recipe: Recipe) -> Prepared:
    """Load and divide the data, and check that input and network fit them.

    Raises:
        DatasetError: The data cannot be used.
        RecipeError: They can, but not with this recipe.
    """
    section = recipe.dataset
    data = load_dataset(section.source, labels=section.labels, limit=section.limit, seed=recipe.training.seed)
    try:
        spec = InputSpec(
            kind=recipe.input.kind,
            source=TensorSpec(shape=data.x.shape[1:], dtype=_dtype(section.source, data.x)),
            preprocess=recipe.input.preprocess,
        )
        preprocess = ExampleInputs(spec)
        check_network(recipe.network, preprocess.output_shape)
    except EdgeModelsError as exc:
        raise RecipeError(f"recipe {recipe.name}: {exc}") from exc
    if recipe.augment is not None and spec.kind != "image":
        raise RecipeError(f"recipe {recipe.name}: augment: found it for {spec.kind}, expected it for images only")
    data = _windowed(recipe, data, spec)
    parts = split(data.y, data.group, profile=section.profile, test=section.test, seed=recipe.training.seed)
    prepared = Prepared(data=data, parts=parts, spec=spec, preprocess=preprocess)
    _check_inputs(recipe, prepared)
    return prepared


def _windowed(recipe: Recipe, data: Dataset, spec: InputSpec) -> Dataset:
    """The data in whole windows where the input has a window step."""
    window = window_step(spec)
    if window is None:
        return data
    where = f"recipe {recipe.name}: input.preprocess: found a window step"
    if data.group is None:
        raise RecipeError(
            f"{where} and data without group, expected the number of its recording for each row: windows of one "
            "recording overlap, so a recording must stay in one part"
        )
    if recipe.dataset.limit is not None:
        raise RecipeError(f"{where} and dataset.limit, expected one of them: rows picked at random make no windows")
    x, y, group = cut(window, data.x, data.y, data.group)
    classes = len(np.unique(y))
    if classes < 2:
        raise DatasetError(
            f"{recipe.dataset.source}: found {len(x)} windows of {window.length} rows with {classes} classes, "
            "expected at least two classes; bring longer recordings or shorten the window"
        )
    return replace(data, x=x, y=y, group=group)


def _check_inputs(recipe: Recipe, prepared: Prepared) -> None:
    """Refuse values that a step turns into NaN or infinity, before they reach the training."""
    try:
        prepared.inputs(np.arange(len(prepared.data.x)))
    except EdgeModelsError as exc:
        raise DatasetError(f"{recipe.dataset.source}: {exc}") from exc


def _dtype(source: str, x: NDArray[Any]) -> Dtype:
    if x.dtype.name not in _DTYPES:
        raise DatasetError(
            f"{source}: found x of dtype {x.dtype}, expected {', '.join(_DTYPES)} as the device's source delivers it; "
            f"save x.astype({'np.float32' if x.dtype.kind == 'f' else 'np.uint8'})"
        )
    return _DTYPES[x.dtype.name]
