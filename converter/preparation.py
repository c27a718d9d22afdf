"""Data and input of a build, and whether they fit the recipe: all that can be refused before TensorFlow is needed."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.datasets import Dataset, Splits, load_dataset
from converter.datasets.examples import Examples
from converter.datasets.parts import ANOMALY_LABELS, check_whole, divided, divided_anomaly, fixed_parts, is_anomaly
from converter.datasets.split import Parts, few_of_each
from converter.datasets.windows import ExampleInputs, window_rows, window_step
from converter.errors import DatasetError, RecipeError
from converter.progress import Progress, SilentProgress
from converter.recipe import AugmentRecipe, Recipe
from converter.training.networks import check_network
from converter.training.pretrain import check_pretrain
from edge_models.errors import EdgeModelsError
from edge_models.manifest import InputSpec, NormaliseStep, WindowStep
from edge_models.tensors import Dtype, TensorSpec

MAX_WINDOWS_BYTES = 4 << 30
_BATCH_BYTES = 16 << 20  # of inputs that are preprocessed at once: frames of video would not fit the memory together
_LEAST_STD = 1e-6  # a column that never changes is left as it is
_DTYPES: dict[str, Dtype] = {"uint8": "uint8", "int8": "int8", "int16": "int16", "float32": "float32"}
_SILENT = SilentProgress()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prepared:
    """Data and preprocessing, before any network exists.

    Attributes:
        data: The examples; whole windows where the device collects windows. For task anomaly y is 0 normal, 1 anomaly.
        parts: Which of them are for what.
        unlabelled: Frames (m, ...) without classes for self-supervised learning, those of dataset.unlabelled and those
            of the training part that per_class leaves without a label; m may be 0.
        spec: What the device is told about its input.
        preprocess: From examples to the model's inputs.
    """

    data: Dataset
    parts: Splits
    unlabelled: NDArray[Any]
    spec: InputSpec
    preprocess: ExampleInputs

    def inputs(self, part: NDArray[np.intp]) -> NDArray[np.float32]:
        """Preprocessed inputs (n, *output_shape) of one part."""
        return in_batches(self.preprocess, self.data.x, part)

    def unlabelled_inputs(self) -> NDArray[np.float32]:
        """Preprocessed inputs (m, *output_shape) of the examples without classes."""
        return in_batches(self.preprocess, self.unlabelled, np.arange(len(self.unlabelled)))

    @property
    def group_names(self) -> tuple[str, ...]:
        """Name of each group; empty without groups."""
        return self.data.groups


def prepare(recipe: Recipe, progress: Progress = _SILENT) -> Prepared:
    """Load and divide the data, and check that input and network fit them.

    Args:
        recipe: The recipe.
        progress: Told how far reading has come.

    Raises:
        DatasetError: The data cannot be used.
        RecipeError: They can, but not with this recipe.
    """
    section = recipe.dataset
    data = load_dataset(section, seed=recipe.training.seed, progress=progress, context=recipe.profile.source)
    spec = input_spec(recipe, data)
    _check_augment(recipe, spec)
    check_pretrain(recipe)
    _preprocess(recipe, spec)  # what cannot work is refused before the longer work
    part = fixed_parts(data, section)
    data, part = windowed(recipe, data, part, spec)
    if recipe.task == "anomaly":
        y = is_anomaly(data, section)
        parts = divided_anomaly(y, data, section, part, recipe.training.seed)
        data = replace(data, y=y, labels=ANOMALY_LABELS)
    else:
        parts = divided(data, section, part, recipe.training.seed)
    parts, unlabelled = _few_labels(recipe, data, parts)
    if recipe.input.standardise:
        spec = replace(spec, preprocess=(*spec.preprocess, _standardised(recipe, spec, data.x, parts.train)))
    preprocess = _preprocess(recipe, spec)
    _check_inputs(recipe, preprocess, data.x)
    return Prepared(data=data, parts=parts, unlabelled=unlabelled, spec=spec, preprocess=preprocess)


def in_batches(preprocess: ExampleInputs, x: NDArray[Any], part: NDArray[np.intp]) -> NDArray[np.float32]:
    """Inputs (n, *output_shape) of n of the examples ``x``, without more memory than for the result.

    Raises:
        InputError: They are not what the source delivers, or become NaN or infinite.
    """
    made = np.empty((len(part), *preprocess.output_shape), np.float32)
    size = _batch_size(preprocess, x)
    for start in range(0, len(part), size):
        made[start : start + size] = preprocess.batch(x[part[start : start + size]])
    return made


def _batch_size(preprocess: ExampleInputs, x: NDArray[Any]) -> int:
    values = max(math.prod(preprocess.output_shape), math.prod(x.shape[1:]))
    return max(1, _BATCH_BYTES // (4 * values))


def input_spec(recipe: Recipe, data: Dataset) -> InputSpec:
    """What the device is told, but for steps that are fitted to the data."""
    kind = recipe.input.kind
    return InputSpec(
        kind=kind,
        source=TensorSpec(shape=data.x.shape[1:], dtype=_dtype(recipe.dataset.source, data.x)),
        rate_hz=(data.rate_hz or recipe.dataset.rate_hz) if kind == "audio" else None,
        preprocess=recipe.input.preprocess,
    )


def _check_augment(recipe: Recipe, spec: InputSpec) -> None:
    """Refuse changes that the kind of the data cannot have."""
    augment, kind = recipe.augment, recipe.input.kind
    if augment is None:
        return
    fits = {
        "image": ("spread", "flip", "crop"),
        "audio": ("time_shift", "gain_db", "noise", "spec_mask"),
        "rows": ("time_shift", "noise"),
    }
    neutral = AugmentRecipe()
    for field in fields(augment):
        is_used = getattr(augment, field.name) != getattr(neutral, field.name)
        if is_used and field.name not in ("share", *fits[kind]):
            raise RecipeError(
                f"recipe {recipe.name}: augment.{field.name}: found it for {kind}, expected one of "
                f"{', '.join(fits[kind])}"
            )
    if kind == "rows" and len(spec.source.shape) == 1 and window_step(spec) is None:
        raise RecipeError(
            f"recipe {recipe.name}: augment: found it for single rows, expected windows, whose time and deviation can "
            "be changed; add a window step to input.preprocess, or leave augment out"
        )


def _preprocess(recipe: Recipe, spec: InputSpec) -> ExampleInputs:
    try:
        preprocess = ExampleInputs(spec)
        check_network(recipe.network, preprocess.output_shape)
    except EdgeModelsError as exc:
        raise RecipeError(f"recipe {recipe.name}: {exc}") from exc
    return preprocess


def windowed(recipe: Recipe, data: Dataset, part: Parts | None, spec: InputSpec) -> tuple[Dataset, Parts | None]:
    """The data in whole windows where the input has a window step."""
    window = window_step(spec)
    if window is None:
        return data, part
    where = f"recipe {recipe.name}: input.preprocess: found a window step"
    if data.group is None and data.file is not None and len(data.names) > 1:
        data = replace(data, group=data.file, groups=data.names)
        check_whole(data, part, recipe.dataset.source)
    if data.group is None:
        raise RecipeError(
            f"{where} and data without group, expected the number of its recording for each row, or dataset.blocks: "
            "windows of one recording overlap, so a recording must stay in one part"
        )
    if recipe.dataset.limit is not None:
        raise RecipeError(f"{where} and dataset.limit, expected one of them: rows picked at random make no windows")
    rows = window_rows(window, len(data.x), data.group, data.file, part)
    _check_windows(recipe, rows, window, data)
    last = rows[:, -1]
    unlabelled = tuple(_windows_of(more, window) for more in data.unlabelled)
    data = replace(
        data,
        x=data.x[rows],
        y=data.y[last],
        group=data.group[last],
        context=None if data.context is None else data.context[last],
        part=None,
        file=None if data.file is None else data.file[last],
        unlabelled=unlabelled,
    )
    return data, None if part is None else part[last]


def _check_windows(recipe: Recipe, rows: NDArray[np.intp], window: WindowStep, data: Dataset) -> None:
    classes = len(np.unique(data.y[rows[:, -1]]))
    if classes < 2:
        raise DatasetError(
            f"{recipe.dataset.source}: found {len(rows)} windows of {window.length} rows with {classes} classes, "
            "expected at least two classes; bring longer recordings or shorten the window"
        )
    size = rows.size * math.prod(data.x.shape[1:]) * data.x.itemsize
    if size > MAX_WINDOWS_BYTES:
        raise RecipeError(
            f"recipe {recipe.name}: input.preprocess: found {len(rows)} windows of {window.length} rows, {size >> 20} "
            f"MB together, expected at most {MAX_WINDOWS_BYTES >> 20} MB; raise the window's stride"
        )


def _windows_of(more: Examples, window: WindowStep) -> Examples:
    rows = window_rows(window, len(more.x), more.group, more.file)
    return Examples(x=more.x[rows])


def _few_labels(recipe: Recipe, data: Dataset, parts: Splits) -> tuple[Splits, NDArray[Any]]:
    """The training part with labels, and all frames without."""
    train, rest = parts.train, parts.train[:0]
    if recipe.dataset.per_class is not None:
        kept = few_of_each(data.y[train], recipe.dataset.per_class, recipe.training.seed)
        train, rest = train[kept], train[~kept]
    frames = [data.x[rest], *(more.x for more in data.unlabelled)]
    return replace(parts, train=train), np.concatenate(frames)


def _standardised(recipe: Recipe, spec: InputSpec, x: NDArray[Any], train: NDArray[np.intp]) -> NormaliseStep:
    """The step that gives the training part mean 0 and standard deviation 1."""
    preprocess = _preprocess(recipe, spec)
    by_column = spec.kind == "rows"
    columns = preprocess.output_shape[-1] if by_column else 1
    count, total, squares = 0, np.zeros(columns), np.zeros(columns)
    shift: NDArray[np.float64] | None = None  # near the mean, so that the difference of squares stays exact
    size = _batch_size(preprocess, x)
    for start in range(0, len(train), size):
        values = _checked_batch(recipe, preprocess, x[train[start : start + size]]).reshape(-1, columns)
        shift = values.mean(axis=0, dtype=np.float64) if shift is None else shift
        centred = values - shift
        count += len(values)
        total += centred.sum(axis=0)
        squares += np.square(centred).sum(axis=0)
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0))
    centre = mean + (0.0 if shift is None else shift)
    return NormaliseStep(
        op="standardise",
        mean=tuple(float(np.float32(value)) for value in centre),
        std=tuple(float(np.float32(value)) if value > _LEAST_STD else 1.0 for value in std),
    )


def _checked_batch(recipe: Recipe, preprocess: ExampleInputs, x: NDArray[Any]) -> NDArray[np.float32]:
    try:
        return preprocess.batch(x)
    except EdgeModelsError as exc:
        raise DatasetError(f"{recipe.dataset.source}: {exc}") from exc


def _check_inputs(recipe: Recipe, preprocess: ExampleInputs, x: NDArray[Any]) -> None:
    """Refuse values that a step turns into NaN or infinity, before they reach the training."""
    size = _batch_size(preprocess, x)
    checked = len(x) if x.dtype.kind == "f" else size  # whole numbers can only overflow all together
    for start in range(0, checked, size):
        _checked_batch(recipe, preprocess, x[start : start + size])


def _dtype(source: str, x: NDArray[Any]) -> Dtype:
    if x.dtype.name not in _DTYPES:
        raise DatasetError(
            f"{source}: found x of dtype {x.dtype}, expected {', '.join(_DTYPES)} as the device's source delivers it; "
            f"save x.astype(np.{'uint8' if _fits_bytes(x) else 'float32'})"
        )
    return _DTYPES[x.dtype.name]


def _fits_bytes(x: NDArray[Any]) -> bool:
    return x.dtype.kind in "iub" and bool(x.size) and int(x.min()) >= 0 and int(x.max()) <= np.iinfo(np.uint8).max
