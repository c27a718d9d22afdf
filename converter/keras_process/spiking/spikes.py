"""Plain integrate-and-fire neurons in TensorFlow, step by step, with a gradient in the place of the spike's own.

The arithmetic is that of ``edge_models.spiking``'s coding ``if`` before its weights are integers: potentials start at
half the threshold, a spike takes the threshold off, and a spike of a channel is worth its ceiling.
"""
# ruff: noqa: ANN401 - TensorFlow is loaded late, so its tensors have no static type here

from __future__ import annotations

from typing import Any

from converter.keras_process.spiking.simulation import Simulation, ceiling, pooled
from converter.spiking.float_network import FloatNetwork, FloatNeurons, FloatPool


def stepwise_logits(simulation: Simulation, x: Any, steps: int) -> list[Any]:
    """Mean of what reached the readout up to each step: ``steps`` tensors (n, classes).

    All steps of one layer go through one convolution, (steps * n, ...); only the potentials are run in time.
    """
    import tensorflow as tf

    network = simulation.network
    still = tf.reshape(x, (-1, *network.input_shape))
    values = [_repeated(still, steps) if _mixes(network) else still]
    currents: list[Any] = []
    for number, node in enumerate(network.nodes, 1):
        if isinstance(node, FloatPool):
            values.append(pooled(values[node.source], node))
            continue
        total = simulation.sums(number, values)
        if not _mixes(network) and all(one.source == 0 for one in node.synapses):
            total = _repeated(total, steps)  # the input is the same in every step
        currents = tf.unstack(tf.reshape(total, (steps, -1, *total.shape[1:])), num=steps)
        if isinstance(node, FloatNeurons):
            values.append(tf.concat(_fired(currents, ceiling(simulation.weights[number].ceiling)), axis=0))
    heard, answers = 0.0, []
    for number, current in enumerate(currents, 1):
        heard += tf.reshape(current, (-1, current.shape[-1]))
        answers.append(heard / number)
    return answers


def _fired(currents: list[Any], threshold: Any) -> list[Any]:
    """What each step passes on: the threshold where a neuron spikes, 0 elsewhere."""
    import tensorflow as tf

    potential = 0.5 * threshold + tf.zeros_like(currents[0])
    passed = []
    for current in currents:
        potential = potential + current
        spike = _spike()((potential - threshold) / threshold)
        passed.append(spike * threshold)
        potential = potential - passed[-1]
    return passed


def _spike() -> Any:
    """1 from 0 on, with the gradient of a triangle."""
    import tensorflow as tf

    @tf.custom_gradient  # type: ignore[misc,untyped-decorator,unused-ignore]
    def spike(u: Any) -> Any:
        def gradient(upstream: Any) -> Any:
            return upstream * tf.maximum(0.0, 1.0 - tf.abs(u))

        return tf.cast(u >= 0, u.dtype), gradient

    return spike


def _repeated(value: Any, steps: int) -> Any:
    """(n, ...) as (steps * n, ...)."""
    import tensorflow as tf

    return tf.tile(value, (steps, *(1 for _ in value.shape[1:])))


def _mixes(network: FloatNetwork) -> bool:
    """Whether a node adds the input to something else, so that both need all steps."""
    return any(
        len({one.source == 0 for one in node.synapses}) > 1 for node in network.nodes if not isinstance(node, FloatPool)
    )
