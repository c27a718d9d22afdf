"""Recipes: everything that decides what a model becomes, in one strict YAML file.

An unknown key or a wrong value is an error that names the file, the path of the key and what may stand there. The
digest of a recipe is taken of its meaning (after ``--set`` and defaults), so two spellings of one recipe are the same.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from converter.corruptions import Corruption
from converter.errors import RecipeError
from edge_models.errors import FieldError
from edge_models.fields import canonical_json, decode, described
from edge_models.manifest import MODEL_NAME, Step
from edge_models.yaml_document import parse_yaml

MAX_RECIPE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRecipe:
    """Where the data come from and how they are divided."""

    source: str = described("mnist5k, digits, or npz:PATH with x, y and optionally group.", max_length=4096)
    labels: tuple[str, ...] = described("Class names; the data's own when left out.", default=(), max_length=10000)
    test: float = described("Share for the final figures.", default=0.15, ge=0.02, le=0.5)
    profile: float = described("Share for the reference profile and for validation.", default=0.2, ge=0.02, le=0.6)
    limit: int | None = described("Use at most so many examples.", default=None, ge=20)

    def __post_init__(self) -> None:
        """Refuse splits that leave nothing to learn from."""
        if self.test + self.profile > 0.8:
            raise ValueError("test and profile of together at most 0.8")


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRecipe:
    """What the model eats."""

    kind: Literal["image", "rows", "audio"] = described("What the numbers are.", default="image")
    value_range: tuple[float, float] = described("Smallest and largest value of a frame.", default=(0.0, 255.0))
    preprocess: tuple[Step, ...] = described("Steps from a frame to the model's input.", default=(), max_length=16)

    def __post_init__(self) -> None:
        """Refuse an empty range."""
        if self.value_range[0] >= self.value_range[1]:
            raise ValueError("a value_range that rises")


@dataclass(frozen=True, slots=True, kw_only=True)
class CnnRecipe:
    """Small convolutional network for images."""

    type: Literal["cnn"] = described("Kind of network.", default="cnn")
    filters: tuple[int, ...] = described("Filters of each convolution.", default=(16, 32), ge=1, le=4096, max_length=16)
    kernel: int = described("Side of the convolutions' kernels.", default=5, ge=1, le=15)
    halve: Literal["pool", "stride"] = described(
        "How each convolution halves the picture: max pooling after it, or a stride of 2 (a quarter of the work).",
        default="stride",
    )
    dense: int = described("Width of the hidden layer.", default=64, ge=1, le=4096)
    dropout: float = described("Before the output layer.", default=0.3, ge=0, le=0.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class MlpRecipe:
    """Fully connected network for rows, windows or small images."""

    type: Literal["mlp"] = described("Kind of network.", default="mlp")
    hidden: tuple[int, ...] = described("Width of each hidden layer.", default=(64, 32), ge=1, le=4096, max_length=16)
    dropout: float = described("After each hidden layer.", default=0.1, ge=0, le=0.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRecipe:
    """How the network learns."""

    epochs: int = described("Passes over the training data.", default=20, ge=1, le=10000)
    batch: int = described("Examples in a step.", default=64, ge=1, le=65536)
    learning_rate: float = described("At the start; it falls to nearly 0 along a cosine.", default=0.002, ge=1e-7, le=1)
    l2: float = described("Weight decay (AdamW).", default=0.0, ge=0, le=1)
    seed: int = described("Of everything random.", default=1, ge=0, le=2**31 - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentRecipe:
    """Small random settings of the simulated camera, for every training image; images only."""

    share: float = described("Share of the images of a batch that are changed.", default=0.5, ge=0, le=1)
    spread: Corruption = described("Standard deviation of each parameter about neutral.", default_factory=Corruption)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeRecipe:
    """Static full int8."""

    calibration: int = described("Training examples that set the ranges, stratified.", default=200, ge=8, le=10000)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatesRecipe:
    """What a bundle must reach to be written."""

    max_int8_drop: float = described("Accuracy that int8 may lose.", default=0.01, ge=0, le=1)
    max_size_ratio: float = described("int8 file over float32 file of the same graph.", default=0.6, ge=0, le=2)
    max_float_difference: float = described("Keras against float32 TFLite, largest output.", default=1e-3, ge=0)
    min_accuracy: float = described("int8 accuracy on the test split.", default=0.0, ge=0, le=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainRecipe:
    """How a request for a better model is answered."""

    epochs: int = described("Epochs over the mixed data; small data sets are enlarged.", default=24, ge=1, le=10000)
    learning_rate: float = described("At the start.", default=0.003, ge=1e-7, le=1)
    clean_share: float = described("Share of the original data as they are.", default=0.4, ge=0.05, le=0.95)
    search: int = described("Camera settings tried for each device, about; 0 for none.", default=400, ge=0, le=100000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The whole recipe."""

    name: str = described("Name of the recipe.", max_length=64)
    model: str = described("Model slot that the bundle is for.", pattern=MODEL_NAME)
    version: str = described("Version for people.", default="1.0", max_length=64)
    serial: int = described("Rises by one with every bundle of the model.", default=1, ge=1)
    task: Literal["classification"] = described("What the outputs are for.", default="classification")
    dataset: DatasetRecipe = described("Data.")
    input: InputRecipe = described("Input.", default_factory=InputRecipe)
    network: CnnRecipe | MlpRecipe = described("Network.")
    training: TrainingRecipe = described("Training.", default_factory=TrainingRecipe)
    augment: AugmentRecipe | None = described("Augmentation; none when left out.", default=None)
    quantize: QuantizeRecipe = described("Quantisation.", default_factory=QuantizeRecipe)
    gates: GatesRecipe = described("Gates.", default_factory=GatesRecipe)
    retrain: RetrainRecipe = described("Retraining.", default_factory=RetrainRecipe)

    @property
    def sha256(self) -> str:
        """Digest of the recipe's meaning; where the data lie is no part of it, they have a digest of their own."""
        kind = self.dataset.source.partition(":")[0]
        placeless = dataclasses.replace(self, dataset=dataclasses.replace(self.dataset, source=kind))
        return hashlib.sha256(canonical_json(placeless)).hexdigest()


def load_recipe(path: str, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe file, or one that the converter ships by its bare name.

    Args:
        path: A file, or a name such as ``mnist5k``.
        overrides: ``KEY=VALUE`` with a dotted key; the value is YAML.

    Raises:
        RecipeError: Missing, not YAML, or wrong in some key.
    """
    label, data, folder = _read(path)
    document = _parsed(data, label)
    if not isinstance(document, dict):
        raise RecipeError(f"{label}: found {type(document).__name__}, expected keys such as name: and dataset:")
    for override in overrides:
        key, sign, text = override.partition("=")
        if not sign:
            raise RecipeError(f"--set: found {override!r}, expected KEY=VALUE such as training.epochs=5")
        _place(document, key, _parsed(text, f"--set {override}"), override)
    try:
        recipe = decode(Recipe, document, unknown="refuse")
    except FieldError as exc:
        raise RecipeError(f"{label}: {exc}") from exc
    return _located(recipe, folder)


def shipped() -> list[str]:
    """Names of the recipes that come with the converter."""
    folder = resources.files("converter") / "recipes"
    return sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml"))


def _read(path: str) -> tuple[str, bytes, Path]:
    if path in shipped() and not Path(path).is_file():
        return path, (resources.files("converter") / "recipes" / f"{path}.yaml").read_bytes(), Path.cwd()
    try:
        with Path(path).open("rb") as stream:
            data = stream.read(MAX_RECIPE_BYTES + 1)
    except OSError as exc:
        raise RecipeError(f"{path}: {exc.strerror}; expected a recipe file or one of {', '.join(shipped())}") from exc
    if len(data) > MAX_RECIPE_BYTES:
        raise RecipeError(f"{path}: more than {MAX_RECIPE_BYTES} bytes, expected a recipe")
    return path, data, Path(path).absolute().parent


def _parsed(text: bytes | str, label: str) -> object:
    try:
        return parse_yaml(text)
    except FieldError as exc:
        raise RecipeError(f"{label}: {exc}") from exc


def _located(recipe: Recipe, folder: Path) -> Recipe:
    """The same recipe with the path of its data made absolute from the recipe's own directory."""
    kind, colon, path = recipe.dataset.source.partition(":")
    if not colon:
        return recipe
    source = f"{kind}:{folder / Path(path).expanduser()}"
    return dataclasses.replace(recipe, dataset=dataclasses.replace(recipe.dataset, source=source))


def _place(document: dict[str, Any], key: str, value: object, override: str) -> None:
    *groups, name = key.split(".")
    for group in groups:
        document = document.setdefault(group, {})
        if not isinstance(document, dict):
            raise RecipeError(f"--set {override}: {group} is no mapping in the recipe")
    document[name] = value
