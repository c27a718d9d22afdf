"""Orders that fine-tune a network for spikes, and how they are carried out.

With levels every activation becomes clip-floor-shift (Bu et al., Optimal ANN-SNN Conversion, ICLR 2022), whose rounding
lets gradients pass, and the ceilings of all channels learn with the weights. With steps the spikes themselves are run,
and gradients pass them by a surrogate. In both the network also learns what the float network says, not only the label.
"""
# ruff: noqa: ANN401 - TensorFlow is loaded late, so its tensors have no static type here

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from converter.keras_process.bench import Answer, Bench, arrays
from converter.keras_process.spiking.levels import levelled, with_ceilings
from converter.keras_process.spiking.simulation import Simulation
from converter.keras_process.spiking.spikes import stepwise_logits
from converter.spiking.float_archive import from_npz, to_npz
from edge_models.fields import described

_KEY = "spiking"
_EARLIER = 0.3  # weight of the loss after each step but the last: an answer that is good early stays good
_TEACHER = 0.5  # share of the float network in what is learnt
_LEAST_RATE = 0.01  # of the rate at the start
Loss = Callable[[Any, Any, Any], Any]
"""From inputs, classes and the float network's logits of a batch to a scalar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneSpiking:
    """Prepare the fine-tuning of a network."""

    op: Literal["tune_spiking"] = described("Name of the message.", default="tune_spiking")
    network: str = described("npz of converter.spiking.float_archive: where it starts.")
    file: str = described("npz with x (n, ...) float32, y (n,) int64 and teacher (n, classes) float32, its logits.")
    levels: int = described("Of an activation; with spikes, steps that they are run for.", ge=1)
    is_stepwise: bool = described("Whether spikes are run, step by step.")
    steps: int = described("Updates in all.", ge=1)
    batch: int = described("Examples of an update.", ge=1)
    learning_rate: float = described("At the start; Adam along a cosine.")
    calibration: int = described("Examples that ceilings are set on, where the network has none.", ge=1)
    seed: int = described("Of the order of examples.", ge=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneSteps:
    """Make so many updates."""

    op: Literal["tune_steps"] = described("Name of the message.", default="tune_steps")
    count: int = described("Updates.", ge=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndTuning:
    """Write the network that was learnt."""

    op: Literal["end_tuning"] = described("Name of the message.", default="end_tuning")
    result: str = described("npz to write, of converter.spiking.float_archive.")


@dataclass(slots=True, eq=False)
class _Course:
    """A fine-tuning in work."""

    simulation: Simulation
    data: dict[str, NDArray[Any]]
    batch: int
    update: Loss
    rng: np.random.Generator
    waiting: list[NDArray[np.int64]]

    def next_batch(self) -> tuple[Any, Any, Any]:
        """Examples in random order, each once before any comes again."""
        import tensorflow as tf

        if not self.waiting:
            order = self.rng.permutation(len(self.data["y"]))
            whole = max(1, len(order) // self.batch)
            self.waiting = [order[i * self.batch : (i + 1) * self.batch] for i in range(whole)]
        chosen = self.waiting.pop()
        x, y, teacher = (tf.constant(self.data[name][chosen]) for name in ("x", "y", "teacher"))
        return x, y, teacher


def tune_spiking(bench: Bench, message: TuneSpiking) -> Answer:
    """Build loss and optimiser around the network."""
    import keras

    keras.utils.set_random_seed(message.seed)
    data = arrays(message.file, "x", "y", "teacher")
    network = from_npz(Path(message.network).read_bytes())
    rng = np.random.default_rng(message.seed)
    chosen = rng.permutation(len(data["x"]))[: message.calibration]
    simulation = Simulation(with_ceilings(network, data["x"][chosen]))
    bench.memory[_KEY] = _Course(
        simulation=simulation,
        data=data,
        batch=message.batch,
        update=_learning(simulation, message),
        rng=rng,
        waiting=[],
    )
    return Answer()


def tune_steps(bench: Bench, message: TuneSteps) -> Answer:
    """Make so many updates and tell their mean loss."""
    course: _Course = bench.memory[_KEY]
    losses = [float(course.update(*course.next_batch())) for _ in range(message.count)]
    loss = float(np.mean(losses))
    if not math.isfinite(loss):
        raise FloatingPointError(f"the loss is {loss}; lower learning_rate in spiking.training or spiking.surrogate")
    return Answer(loss=loss)


def end_tuning(bench: Bench, message: EndTuning) -> Answer:
    """Write the network and forget the rest."""
    course: _Course = bench.memory.pop(_KEY)
    Path(message.result).write_bytes(to_npz(course.simulation.learnt()))
    return Answer()


def _learning(simulation: Simulation, message: TuneSpiking) -> Loss:
    """One update of Adam along the loss, as a graph; returns the loss."""
    import keras
    import tensorflow as tf

    weights = simulation.variables
    rate = keras.optimizers.schedules.CosineDecay(message.learning_rate, message.steps, alpha=_LEAST_RATE)
    optimiser = keras.optimizers.Adam(rate, global_clipnorm=1.0)
    optimiser.build(weights)
    loss = _stepwise_loss(simulation, message.levels) if message.is_stepwise else _levels_loss(simulation, message)

    def update(x: Any, y: Any, teacher: Any) -> Any:
        with tf.GradientTape() as tape:
            found = loss(x, y, teacher)
        optimiser.apply_gradients(zip(tape.gradient(found, weights), weights, strict=True))
        return found

    return tf.function(update, reduce_retracing=True)  # type: ignore[no-any-return]


def _levels_loss(simulation: Simulation, message: TuneSpiking) -> Loss:
    activation = levelled(simulation, message.levels)
    return lambda x, y, teacher: _taught(simulation.logits(x, activation), y, teacher)


def _stepwise_loss(simulation: Simulation, steps: int) -> Loss:
    def loss(x: Any, y: Any, teacher: Any) -> Any:
        total = 0.0
        for number, logits in enumerate(stepwise_logits(simulation, x, steps), 1):
            total += (1.0 if number == steps else _EARLIER) * _taught(logits, y, teacher)
        return total / (1.0 + _EARLIER * (steps - 1))

    return loss


def _taught(logits: Any, y: Any, teacher: Any) -> Any:
    """Mean cross-entropy with the label and with what the float network says."""
    import tensorflow as tf

    label = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)
    like = tf.nn.softmax_cross_entropy_with_logits(labels=tf.nn.softmax(teacher), logits=logits)
    return tf.reduce_mean((1.0 - _TEACHER) * label + _TEACHER * like)
