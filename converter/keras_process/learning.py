"""Orders that train and ask a model, and how the TensorFlow process carries them out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from converter.keras_process.bench import Answer, Bench, RefusedModelError, arrays
from converter.training.networks import EMBEDDING
from edge_models.fields import described
from edge_models.npz import write_npz

Loss = Literal["classes", "reconstruction"]
"""classes: cross-entropy of logits. reconstruction: mean square of the difference between input and output."""
Part = Literal["head", "fine", "all"]
"""What learns. head: the layers after the embedding. fine: all but the statistics of batch normalisation."""

_PREDICTED_AT_ONCE = 512
_BEST = "learning.best"
_LOSS = "learning.loss"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Prepare the optimiser: AdamW whose rate falls along a cosine."""

    op: Literal["schedule"] = described("Name of the message.", default="schedule")
    learning_rate: float = described("At the start.")
    weight_decay: float = described("Of AdamW.")
    steps: int = described("Steps in all.", ge=1)
    batch: int = described("Examples in a step.", ge=1)
    loss: Loss = described("What is made small.", default="classes")
    label_smoothing: float = described("Share of a label that is spread over all classes.", default=0.0)
    l1: float = described("Penalty on the absolute values of kernels.", default=0.0)
    l2: float = described("Penalty on the squares of kernels.", default=0.0)
    part: Part = described("What learns; the rest stays as it is.", default="all")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Train on one epoch, or on a portion of one."""

    op: Literal["fit"] = described("Name of the message.", default="fit")
    file: str = described("npz with x (n, ...) float32, y (n,) and weight (n,); n is a multiple of the batch.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Predict:
    """Outputs for inputs: logits, or a reconstruction."""

    op: Literal["predict"] = described("Name of the message.", default="predict")
    file: str = described("npz with x (n, ...) float32.")
    result: str = described("npz to write, with logits (n, outputs).")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remember:
    """Keep the weights as they are now, as the best so far."""

    op: Literal["remember"] = described("Name of the message.", default="remember")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """Go back to the weights that were remembered."""

    op: Literal["recall"] = described("Name of the message.", default="recall")


def schedule(bench: Bench, message: Schedule) -> Answer:
    """Compile the model."""
    import keras

    _choose_part(bench.model, message.part)
    if not bench.model.trainable_weights:
        raise RefusedModelError(
            "this model has no weights that can learn, as every SavedModel here; leave fine_tune out, or bring the "
            ".keras file that it was exported from"
        )
    _penalise(bench.model, message.l1, message.l2)
    rate = keras.optimizers.schedules.CosineDecay(message.learning_rate, message.steps, alpha=0.02)
    bench.batch = message.batch
    bench.memory[_LOSS] = message.loss
    bench.model.compile(
        optimizer=keras.optimizers.AdamW(rate, weight_decay=message.weight_decay),
        loss=_loss(message),
        steps_per_execution=16,  # fewer returns to Python: a third less time for small networks
    )
    return Answer()


def fit(bench: Bench, message: Fit) -> Answer:
    """Train on one epoch, or on a portion of one."""
    epoch = arrays(message.file, "x", "y", "weight")
    x = epoch["x"]
    history = bench.model.fit(
        *(x, epoch["y"] if bench.memory[_LOSS] == "classes" else x.reshape(len(x), -1)),
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
    """Write the outputs for inputs."""
    x = arrays(message.file, "x")["x"]
    size = bench.model.input_shape[0] or _PREDICTED_AT_ONCE  # an imported graph may be made for batches of one size
    parts = [np.asarray(bench.model(x[i : i + size], training=False)) for i in range(0, len(x), size)]
    Path(message.result).write_bytes(write_npz({"logits": np.concatenate(parts)}))
    return Answer()


def remember(bench: Bench, _: Remember) -> Answer:
    """Keep the weights as they are now."""
    bench.memory[_BEST] = bench.model.get_weights()
    return Answer()


def recall(bench: Bench, _: Recall) -> Answer:
    """Go back to the weights that were remembered, if any were."""
    best = bench.memory.pop(_BEST, None)
    if best is not None:
        bench.model.set_weights(best)
    return Answer()


def _loss(message: Schedule) -> Any:  # noqa: ANN401 - a Keras loss
    import keras

    if message.loss == "reconstruction":
        return keras.losses.MeanSquaredError()
    if not message.label_smoothing:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    smoothed = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=message.label_smoothing)

    def loss(y: Any, logits: Any) -> Any:  # noqa: ANN401 - tensors
        return smoothed.call(keras.ops.one_hot(keras.ops.reshape(y, (-1,)), logits.shape[-1]), logits)

    return loss


def _choose_part(model: Any, part: Part) -> None:  # noqa: ANN401 - a Keras model
    """Let only this part learn; batch normalisation that does not learn uses the statistics that it has."""
    import keras

    names = [layer.name for layer in model.layers]
    head = names[names.index(EMBEDDING) + 1 :] if EMBEDDING in names else names[-1:]
    for layer in model.layers:
        layer.trainable = part != "head" or layer.name in head
    if part == "fine":
        for layer in model._flatten_layers():  # noqa: SLF001 - those of a backbone, too
            layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)


def _penalise(model: Any, l1: float, l2: float) -> None:  # noqa: ANN401 - a Keras model
    """Penalise kernels, never biases or normalisation; of an imported model as of an own one."""
    import keras

    penalty = keras.regularizers.L1L2(l1=l1, l2=l2) if l1 or l2 else None
    for weight in model.trainable_weights:
        if "kernel" in weight.name:
            weight.regularizer = penalty
