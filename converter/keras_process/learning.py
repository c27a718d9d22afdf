"""Orders that train and ask a model, and how the TensorFlow process carries them out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from converter.keras_process.bench import Answer, Bench, arrays
from edge_models.fields import described
from edge_models.npz import write_npz

_PREDICTED_AT_ONCE = 512


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


def schedule(bench: Bench, message: Schedule) -> Answer:
    """Compile the model."""
    import keras

    rate = keras.optimizers.schedules.CosineDecay(message.learning_rate, message.steps, alpha=0.02)
    bench.batch = message.batch
    bench.model.compile(
        optimizer=keras.optimizers.AdamW(rate, weight_decay=message.weight_decay),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        steps_per_execution=16,  # fewer returns to Python: a third less time for small networks
    )
    return Answer()


def fit(bench: Bench, message: Fit) -> Answer:
    """Train on one epoch."""
    epoch = arrays(message.file, "x", "y", "weight")
    history = bench.model.fit(
        *(epoch["x"], epoch["y"]),
        sample_weight=epoch["weight"],
        batch_size=bench.batch,
        verbose=0,
        shuffle=False,  # the parent has mixed them
    )
    loss = float(history.history["loss"][0])
    if not math.isfinite(loss):
        raise FloatingPointError(f"the loss is {loss}; lower training.learning_rate")
    return Answer(loss=loss)


def predict(bench: Bench, message: Predict) -> Answer:
    """Write the logits of inputs."""
    x = arrays(message.file, "x")["x"]
    starts = range(0, len(x), _PREDICTED_AT_ONCE)
    parts = [np.asarray(bench.model(x[i : i + _PREDICTED_AT_ONCE], training=False)) for i in starts]
    Path(message.result).write_bytes(write_npz({"logits": np.concatenate(parts)}))
    return Answer()
