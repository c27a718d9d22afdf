"""Orders that make, take and keep a model, and how the TensorFlow process carries them out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from converter.keras_process.backbones import transferred
from converter.keras_process.bench import Answer, Bench, RefusedModelError
from converter.keras_process.importing import imported
from converter.recipe import NetworkRecipe, SavedRecipe, TransferRecipe
from converter.training.networks import build_network
from edge_models.fields import described


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """Make the network of a recipe: an untrained one, or a trained one of the user's."""

    op: Literal["create"] = described("Name of the message.", default="create")
    network: NetworkRecipe = described("Kind and size.")
    shape: tuple[int, ...] = described("Of the input, without batch axis.")
    classes: int = described("Number of logits; of values to restore for an autoencoder.", ge=1)
    seed: int = described("Of weights and dropout.", ge=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Take a saved Keras model."""

    op: Literal["load"] = described("Name of the message.", default="load")
    path: str = described("The .keras file.")
    shape: tuple[int, ...] = described("Input that it must have, without batch axis.")
    classes: int = described("Number of logits that it must have.", ge=1)
    seed: int = described("Of dropout.", ge=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Save:
    """Keep the Keras model."""

    op: Literal["save"] = described("Name of the message.", default="save")
    path: str = described("The .keras file.")


def create(bench: Bench, message: Create) -> Answer:
    """Make the network of a recipe."""
    _begin(bench, message.seed)
    match message.network:
        case SavedRecipe():
            bench.model = imported(message.network.path, message.shape, message.classes)
        case TransferRecipe():
            bench.model = transferred(message.network, message.shape, message.classes)
        case _:
            bench.model = build_network(message.network, message.shape, message.classes)
    return Answer()


def load(bench: Bench, message: Load) -> Answer:
    """Take a saved Keras model."""
    import keras

    _begin(bench, message.seed)
    model = keras.models.load_model(message.path, compile=False)
    found = tuple(model.input_shape[1:]), model.output_shape[-1]
    if found != (message.shape, message.classes):
        raise ValueError(f"found {found[0]} to {found[1]} classes, expected {message.shape} to {message.classes}")
    bench.model = model
    return Answer()


def save(bench: Bench, message: Save) -> Answer:
    """Keep the model."""
    if not bench.model.weights:
        raise RefusedModelError("--keep-model: a SavedModel is converted as it is; its own folder is what to keep")
    bench.model.save(message.path)
    return Answer()


def _begin(bench: Bench, seed: int) -> None:
    """Forget the model before, and everything about it."""
    import keras

    keras.backend.clear_session()  # a model that was here is gone, and layers get the same names as without it
    bench.model = None
    bench.memory.clear()
    keras.utils.set_random_seed(seed)
