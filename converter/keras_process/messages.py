"""What the program tells its TensorFlow process to do, one JSON line each; arrays travel as npz files beside.

The answer to each is one JSON line: the values of ``Answer``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from converter.recipe import CnnRecipe, MlpRecipe
from edge_models.fields import described

MAX_LINE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """Make an untrained network."""

    op: Literal["create"] = described("Name of the message.", default="create")
    network: CnnRecipe | MlpRecipe = described("Kind and size.")
    shape: tuple[int, ...] = described("Of the input, without batch axis.")
    classes: int = described("Number of logits.", ge=1)
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
class Schedule:
    """Prepare the optimiser: AdamW whose rate falls along a cosine."""

    op: Literal["schedule"] = described("Name of the message.", default="schedule")
    learning_rate: float = described("At the start.")
    weight_decay: float = described("Of AdamW.")
    steps: int = described("Steps in all.", ge=1)
    batch: int = described("Examples in a step.", ge=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Train on one epoch."""

    op: Literal["fit"] = described("Name of the message.", default="fit")
    file: str = described("npz with x (n, ...) float32, y (n,) and weight (n,); n is a multiple of the batch.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Predict:
    """Logits of inputs."""

    op: Literal["predict"] = described("Name of the message.", default="predict")
    file: str = described("npz with x (n, ...) float32.")
    result: str = described("npz to write, with logits (n, classes).")


@dataclass(frozen=True, slots=True, kw_only=True)
class Save:
    """Keep the Keras model."""

    op: Literal["save"] = described("Name of the message.", default="save")
    path: str = described("The .keras file.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Convert:
    """Convert to float32 and to static full int8."""

    op: Literal["convert"] = described("Name of the message.", default="convert")
    calibration: str = described("npz with x (n, ...) float32 that sets the ranges of the activations.")
    float32: str = described(".tflite file to write.")
    int8: str = described(".tflite file to write.")


Message = Create | Load | Schedule | Fit | Predict | Save | Convert


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One line to the process."""

    do: Message = described("What to do.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One line back."""

    error: str | None = described("Why it was not done; null when it was.", default=None)
    loss: float | None = described("Mean loss of the epoch.", default=None)
