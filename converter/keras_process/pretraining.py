"""Orders that teach the body of a model without labels, and how the TensorFlow process carries them out.

Contrastive: two random views of an example shall be more alike than views of different ones (SimCLR, Chen et al. 2020,
with the decoupled loss of Yeh et al. 2022, which learns faster in batches of hundreds). Masked: values are replaced by
those of other examples, and a decoder restores the example from the embedding (VIME, Yoon et al. 2020). Projection and
decoder are thrown away; the layers up to the embedding stay.
"""
# ruff: noqa: ANN401 - TensorFlow is loaded late, so its tensors and models have no static type here

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from converter.corruptions import Corruption
from converter.keras_process.bench import Answer, Bench, RefusedModelError, arrays
from converter.keras_process.views import VIEWS, Views, picture_views, spectrum_views
from converter.training.networks.parts import BN_MOMENTUM, EMBEDDING
from edge_models.fields import described

_KEY = "pretraining"
_WARM_STEPS = 100  # a large first step of Adam on normalised embeddings lets them collapse
_WEIGHT_DECAY = 1e-4
_STRETCHES = 8  # pieces of a window's time that are hidden whole: a single hidden row is read off its neighbours
_LEAST_STD = 1e-6
_NEVER = 1e9  # a logit less this much has no share
Step = Callable[[Any], Any]
"""Learns from a batch (n, ...) float32 and gives its loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pretrain:
    """Prepare to teach the layers up to the embedding."""

    op: Literal["pretrain"] = described("Name of the message.", default="pretrain")
    file: str = described("npz with x (n, ...) float32, no labels.")
    method: Literal["contrastive", "masked"] = described("What is learnt.")
    kind: Literal["image", "rows", "audio"] = described("What the numbers are: the views depend on it.")
    learning_rate: float = described("At its highest; AdamW along a cosine, after a warm-up.")
    steps: int = described("Steps in all.", ge=1)
    batch: int = described("Examples in a step.", ge=2)
    temperature: float = described("contrastive: of the loss.")
    projection: int = described("contrastive: width of the projection.")
    mask: float = described("masked: share of values that are hidden.")
    views: Corruption | None = described("contrastive, images: spread of the cameras; a default when null.")
    seed: int = described("Of order and views.", ge=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainEpoch:
    """Go through the examples once."""

    op: Literal["pretrain_epoch"] = described("Name of the message.", default="pretrain_epoch")


@dataclass(frozen=True, slots=True, kw_only=True)
class EndPretraining:
    """Throw away what only served to learn."""

    op: Literal["end_pretraining"] = described("Name of the message.", default="end_pretraining")


@dataclass(slots=True, eq=False)
class _Course:
    """A pre-training in work."""

    x: NDArray[np.float32]
    batch: int
    step: Step
    rng: np.random.Generator


def pretrain(bench: Bench, message: Pretrain) -> Answer:
    """Build loss and optimiser around the model."""
    import keras

    if EMBEDDING not in [layer.name for layer in bench.model.layers]:
        raise RefusedModelError(
            f"pre-training needs a layer named {EMBEDDING}, whose output feeds the head; this model has none: name it "
            "so, or leave the recipe's section pretrain out"
        )
    keras.utils.set_random_seed(message.seed)
    x = arrays(message.file, "x")["x"]
    make = _contrastive if message.method == "contrastive" else _masked
    step = make(bench.model, message, x)
    bench.memory[_KEY] = _Course(x=x, batch=message.batch, step=step, rng=np.random.default_rng(message.seed))
    return Answer()


def pretrain_epoch(bench: Bench, _: PretrainEpoch) -> Answer:
    """Learn from all examples but the few that fill no batch."""
    import tensorflow as tf

    course: _Course = bench.memory[_KEY]
    order = course.rng.permutation(len(course.x))
    losses = [
        course.step(tf.constant(course.x[order[start : start + course.batch]]))
        for start in range(0, len(order) - course.batch + 1, course.batch)
    ]
    loss = float(np.mean([float(loss) for loss in losses]))
    if not math.isfinite(loss):
        raise FloatingPointError(f"the loss is {loss}; lower pretrain.learning_rate")
    return Answer(loss=loss)


def end_pretraining(bench: Bench, _: EndPretraining) -> Answer:
    """Forget the rest; the model keeps its body."""
    bench.memory.pop(_KEY, None)
    return Answer()


def _contrastive(model: Any, message: Pretrain, x: NDArray[np.float32]) -> Step:
    import keras
    import tensorflow as tf

    low, high = float(x.min()), float(x.max())
    views = _views(message)
    embedding = model.get_layer(EMBEDDING).output
    hidden = keras.layers.Dense(embedding.shape[-1], use_bias=False)(embedding)
    hidden = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=BN_MOMENTUM)(hidden))
    learner = keras.Model(model.input, keras.layers.Dense(message.projection)(hidden))

    def loss(batch: Any) -> Any:
        unit = (batch - low) / max(high - low, _LEAST_STD)
        seen = views(tf.concat([unit, unit], axis=0)) * (high - low) + low
        return decoupled(learner(seen, training=True), message.temperature)

    return _learning(learner, message, loss)


def _views(message: Pretrain) -> Views:
    match message.kind:
        case "image":
            return picture_views(message.views or VIEWS)
        case "audio":
            return spectrum_views
        case _:
            raise RefusedModelError("pretrain.method: found contrastive for rows, expected masked")


def decoupled(projected: Any, temperature: float) -> Any:
    """Mean contrastive loss of projections (2n, width), of which i and n + i are views of one example.

    NT-Xent (Chen et al. 2020, eq. 1) without the pair itself in its denominator (Yeh et al. 2022, eq. 5).
    """
    import tensorflow as tf

    count = tf.shape(projected)[0]
    unit = tf.math.l2_normalize(projected, axis=1)
    partner = tf.math.floormod(tf.range(count) + count // 2, count)
    pair = tf.reduce_sum(unit * tf.gather(unit, partner), axis=1) / temperature
    others = tf.matmul(unit, unit, transpose_b=True) / temperature
    others -= _NEVER * (tf.eye(count) + tf.one_hot(partner, count))
    return tf.reduce_mean(tf.reduce_logsumexp(others, axis=1) - pair)


def _masked(model: Any, message: Pretrain, x: NDArray[np.float32]) -> Step:
    import keras
    import tensorflow as tf

    axes = tuple(range(x.ndim - 1))
    mean, std = x.mean(axis=axes), np.maximum(x.std(axis=axes), _LEAST_STD)
    embedding = model.get_layer(EMBEDDING).output
    hidden = keras.layers.Dense(2 * embedding.shape[-1], use_bias=False)(embedding)
    hidden = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=BN_MOMENTUM)(hidden))
    learner = keras.Model(model.input, keras.layers.Dense(math.prod(x.shape[1:]))(hidden))

    def loss(batch: Any) -> Any:
        others = tf.roll(batch, 1, axis=0)  # the batch is in random order
        restored = learner(tf.where(_hidden(batch, message.mask), others, batch), training=True)
        wanted = tf.reshape((batch - mean) / std, tf.shape(restored))
        return tf.reduce_mean(tf.square(restored - wanted))

    return _learning(learner, message, loss)


def _hidden(batch: Any, share: float) -> Any:
    """Which values of a batch are hidden: single ones of rows (n, columns), stretches of time of windows."""
    import tensorflow as tf

    count, *shape = batch.shape
    if len(shape) < 2 or shape[0] < _STRETCHES:
        return tf.random.uniform((count, *shape)) < share
    pieces = tf.random.uniform((count, _STRETCHES, *shape[1:])) < share
    place = tf.range(shape[0]) * _STRETCHES // shape[0]
    return tf.gather(pieces, place, axis=1)


def _learning(learner: Any, message: Pretrain, loss: Callable[[Any], Any]) -> Step:
    """One step of AdamW along the loss, as a graph."""
    import keras
    import tensorflow as tf

    warm = min(_WARM_STEPS, message.steps // 10)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, message.steps - warm, alpha=0.01, warmup_target=message.learning_rate, warmup_steps=warm
    )
    weights = learner.trainable_variables
    optimiser = keras.optimizers.AdamW(rate, weight_decay=_WEIGHT_DECAY)
    optimiser.build(weights)

    def step(batch: Any) -> Any:
        with tf.GradientTape() as tape:
            found = loss(batch)
        optimiser.apply_gradients(zip(tape.gradient(found, weights), weights, strict=True))
        return found

    return tf.function(step)  # type: ignore[no-any-return]
