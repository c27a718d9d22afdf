"""Recipes: everything that decides what a model becomes, in one strict YAML file.

An unknown key or a wrong value is an error that names the file, the path of the key and what may stand there. The
digest of a recipe is taken of its meaning (after ``--set`` and defaults), so two spellings of one recipe are the same.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from converter.errors import RecipeError
from converter.recipe.dataset import DatasetRecipe, InputRecipe
from converter.recipe.gates import GatesRecipe
from converter.recipe.network import NetworkRecipe, moved
from converter.recipe.paths import Places
from converter.recipe.profile import ProfileRecipe
from converter.recipe.quantize import QuantizeRecipe
from converter.recipe.spiking import SpikingRecipe
from converter.recipe.training import (
    AugmentRecipe,
    LabelCurveRecipe,
    PretrainRecipe,
    RetrainRecipe,
    SearchRecipe,
    TrainingRecipe,
)
from edge_models.errors import FieldError
from edge_models.fields import canonical_json, decode, described
from edge_models.manifest import MODEL_NAME
from edge_models.yaml_document import parse_yaml

MAX_RECIPE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The whole recipe."""

    name: str = described("Name of the recipe.", max_length=64)
    model: str = described("Model slot that the bundle is for.", pattern=MODEL_NAME)
    version: str = described("Version for people.", default="1.0", max_length=64)
    serial: int = described("Rises by one with every bundle of the model.", default=1, ge=1)
    task: Literal["classification", "anomaly"] = described("What the outputs are for.", default="classification")
    dataset: DatasetRecipe = described("Data.")
    input: InputRecipe = described("Input.", default_factory=InputRecipe)
    network: NetworkRecipe = described("Network.")
    training: TrainingRecipe = described("Training.", default_factory=TrainingRecipe)
    pretrain: PretrainRecipe | None = described("Self-supervised pre-training; none when left out.", default=None)
    label_curve: LabelCurveRecipe | None = described("Learning with few labels; none when left out.", default=None)
    search: SearchRecipe | None = described("Hyper-parameter search; none when left out.", default=None)
    augment: AugmentRecipe | None = described("Augmentation; none when left out.", default=None)
    quantize: QuantizeRecipe = described("Quantisation.", default_factory=QuantizeRecipe)
    embedding: str = described(
        "Layer whose output the .tflite files give beside the answer, of at most 512 numbers: drift shows in it early, "
        "and a head on the device learns from it. auto takes what the last dense layer reads, of an autoencoder the "
        "bottleneck; none takes none.",
        default="auto",
        max_length=200,
    )
    profile: ProfileRecipe = described("Reference profile.", default_factory=ProfileRecipe)
    spiking: SpikingRecipe | None = described("A spiking artifact as well; none when left out.", default=None)
    gates: GatesRecipe = described("Gates.", default_factory=GatesRecipe)
    retrain: RetrainRecipe = described("Retraining.", default_factory=RetrainRecipe)

    def __post_init__(self) -> None:
        """Refuse sections that do not fit each other."""
        if self.spiking is not None and self.task != "classification":
            raise ValueError(f"task classification with section spiking, whose readout has classes, not {self.task}")

    @property
    def sha256(self) -> str:
        """Digest of the recipe's meaning; where the data lie is no part of it, they have a digest of their own."""
        kind = self.dataset.source.partition(":")[0]
        more = tuple(source.partition(":")[0] for source in self.dataset.unlabelled)
        dataset = dataclasses.replace(self.dataset, source=kind, unlabelled=more)
        placeless = dataclasses.replace(
            self, dataset=dataset, network=moved(self.network, lambda path: Path(path).name)
        )
        return hashlib.sha256(canonical_json(placeless)).hexdigest()


def load_recipe(path: str, overrides: Sequence[str] = (), places: Mapping[str, str] | None = None) -> Recipe:
    """Read a recipe file, or one that the converter ships by its bare name.

    Args:
        path: A file, or a name such as ``mnist5k``.
        overrides: ``KEY=VALUE`` with a dotted key; the value is YAML.
        places: Folder of each name that may stand in a path, such as DRIFTLINE_DATA for ``$DRIFTLINE_DATA``.

    Raises:
        RecipeError: Missing, not YAML, or wrong in some key.
    """
    label, document, folder = read_document(path)
    return recipe_of(document, overrides, Places(folder=folder, named=places or {}, label=label))


def read_document(path: str) -> tuple[str, dict[str, Any], Path]:
    """Name for messages, keys and folder of a recipe.

    Raises:
        RecipeError: Missing, or not YAML.
    """
    label, data, folder = _read(path)
    document = _parsed(data, label)
    if not isinstance(document, dict):
        raise RecipeError(f"{label}: found {type(document).__name__}, expected keys such as name: and dataset:")
    return label, document, folder


def recipe_of(document: dict[str, Any], overrides: Sequence[str], places: Places) -> Recipe:
    """The recipe of these keys, changed by ``KEY=VALUE`` overrides.

    Raises:
        RecipeError: A key is unknown or wrong.
    """
    for override in overrides:
        key, sign, text = override.partition("=")
        if not sign:
            raise RecipeError(f"--set: found {override!r}, expected KEY=VALUE such as training.epochs=5")
        _place(document, key, _parsed(text, f"--set {override}"), override)
    try:
        recipe = decode(Recipe, document, unknown="refuse")
    except FieldError as exc:
        raise RecipeError(f"{places.label}: {exc}") from exc
    return _located(recipe, places)


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


def _located(recipe: Recipe, places: Places) -> Recipe:
    """The same recipe with absolute paths."""
    dataset = dataclasses.replace(
        recipe.dataset,
        source=places.source(recipe.dataset.source),
        unlabelled=tuple(places.source(source) for source in recipe.dataset.unlabelled),
    )
    return dataclasses.replace(recipe, dataset=dataset, network=moved(recipe.network, places.path))


def _place(document: dict[str, Any], key: str, value: object, override: str) -> None:
    *groups, name = key.split(".")
    for group in groups:
        document = document.setdefault(group, {})
        if not isinstance(document, dict):
            raise RecipeError(f"--set {override}: {group} is no mapping in the recipe")
    document[name] = value
