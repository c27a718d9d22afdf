"""The same spiking network in plain torch and in libraries for spiking networks; runs where extra ``peers`` is.

Every contestant computes ``steps`` steps of integrate-and-fire neurons with reset by subtraction. Integers become
floating point by dividing weights, bias and start of each channel by its threshold; half a unit is added to the start,
so that no rounding can decide whether a membrane has reached its threshold: membranes are whole numbers. norse
has no reset by subtraction and computes something else at the same cost; snnTorch's reset comes a step late, which is
the same as long as no current alone exceeds a threshold.

Nothing here is differentiated (``inference_mode``), and all libraries are used as their documentation does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import norse.torch as norse
import numpy as np
import sinabs.layers
import snntorch
import torch
from numpy.typing import NDArray
from sinabs.activation import SingleSpike
from spikingjelly.activation_based import functional, neuron

from edge_models.spiking.network import Network
from tests.benchmarks.spikes.torch_layers import Layer, Tensor, layers_of

Run = Callable[[NDArray[np.int32]], NDArray[np.float64]]
"""From centred codes (height, width, channels) to logits (classes,), in units of the readout's accumulator."""
PeerKind = Literal["torch", "compiled", "library"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Peer:
    """A contestant.

    Attributes:
        name: For the table.
        kind: ``torch`` is plain torch, ``compiled`` C++ that torch makes of it on machines with a compiler, ``library``
            a library for spiking networks.
        run: One frame.
    """

    name: str
    kind: PeerKind
    run: Run


def peers_of(network: Network) -> Iterator[Peer]:
    """Every contestant that runs ``network``, a chain whose coding is ``if``."""
    layers, steps = layers_of(network), network.steps
    forms: tuple[tuple[str, PeerKind, Callable[[Tensor], Tensor]], ...] = (
        ("torch, step by step", "torch", _loop(layers, steps)),
        ("torch, time as batch", "torch", _time_as_batch(layers, steps)),
        ("snnTorch Leaky(beta=1)", "library", _snntorch(layers, steps)),
        ("norse IAFCell", "library", _norse(layers, steps)),
        ("SpikingJelly IFNode, single step", "library", _spikingjelly_single(layers, steps)),
        ("SpikingJelly IFNode, multi-step", "library", _spikingjelly_multi(layers, steps)),
        ("sinabs IAFSqueeze", "library", _sinabs(layers, steps)),
    )
    for name, kind, form in forms:
        yield Peer(name=name, kind=kind, run=_on_codes(form))
    form = _time_as_batch(layers, steps)
    example = torch.zeros(1, network.input_shape[2], *network.input_shape[:2])
    with torch.no_grad():
        traced = torch.jit.trace(form, example, check_trace=False)
        yield Peer(name="torch, time as batch, traced", kind="torch", run=_on_codes(traced))
        compiled = _compiled(form, example)
        if compiled is not None:
            yield Peer(name="torch.compile, time as batch", kind="compiled", run=_on_codes(compiled))


def _compiled(form: Callable[[Tensor], Tensor], example: Tensor) -> Callable[[Tensor], Tensor] | None:
    """What torch makes C++ of; None without a C++ compiler."""
    compiled: Callable[[Tensor], Tensor] = torch.compile(form)
    try:
        with torch.inference_mode():
            compiled(example)
    except torch._dynamo.exc.BackendCompilerFailed:
        return None
    return compiled


def _on_codes(form: Callable[[Tensor], Tensor]) -> Run:
    def run(x: NDArray[np.int32]) -> NDArray[np.float64]:
        with torch.inference_mode():
            image = torch.from_numpy(np.ascontiguousarray(x.transpose(2, 0, 1), np.float32)[np.newaxis])
            logits: NDArray[np.float64] = form(image).numpy().reshape(-1).astype(np.float64)
        return logits

    return run


def _loop(layers: list[Layer], steps: int) -> Callable[[Tensor], Tensor]:
    """Step by step; the current of the first layer is the same in every step and computed once."""

    def run(image: Tensor) -> Tensor:
        current = layers[0].linear(image)
        membranes = [None if layer.start is None else layer.start for layer in layers]
        logits = None
        for _ in range(steps):
            value = current
            for at, layer in enumerate(layers):
                if at:
                    value = layer.linear(value)
                if layer.start is None:
                    logits = value if logits is None else logits + value
                    continue
                membrane = membranes[at] + value
                value = (membrane >= 1).float()
                membranes[at] = membrane.sub_(value)
        return logits

    return run


def _time_as_batch(layers: list[Layer], steps: int) -> Callable[[Tensor], Tensor]:
    """Layer by layer, all steps of a layer in one batch."""

    def run(image: Tensor) -> Tensor:
        value = layers[0].linear(image)
        for at, layer in enumerate(layers):
            if at:
                value = layer.linear(value)
            if layer.start is None:
                return value.sum(0)
            membrane, spikes = layer.start, []
            for step in range(steps):
                membrane = membrane + (value[step : step + 1] if at else value)
                spikes.append((membrane >= 1).float())
                membrane.sub_(spikes[-1])
            value = torch.cat(spikes)
        raise ValueError("the network has no readout")

    return run


def _snntorch(layers: list[Layer], steps: int) -> Callable[[Tensor], Tensor]:
    cells = [None if layer.start is None else snntorch.Leaky(beta=1.0, threshold=1.0) for layer in layers]

    def spike(cell: Any, value: Tensor, membrane: Tensor) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor] = cell(value, membrane.expand_as(value))
        return found

    return _step_by_step(layers, steps, cells, [layer.start for layer in layers], spike)


def _norse(layers: list[Layer], steps: int) -> Callable[[Tensor], Tensor]:
    cells = [None if layer.start is None else norse.IAFCell() for layer in layers]
    rest = [None if layer.start is None else norse.IAFFeedForwardState(v=layer.start) for layer in layers]
    return _step_by_step(layers, steps, cells, rest, lambda cell, value, state: cell(value, state))


def _step_by_step(
    layers: list[Layer],
    steps: int,
    cells: list[Any],
    rest: list[Any],
    spike: Callable[[Any, Tensor, Any], tuple[Tensor, Any]],
) -> Callable[[Tensor], Tensor]:
    """All layers in each step, for cells that are handed their state and give it back; the readout has no cell."""

    def run(image: Tensor) -> Tensor:
        states = list(rest)
        logits: Tensor = 0
        for _ in range(steps):
            value = image
            for at, (layer, cell) in enumerate(zip(layers, cells, strict=True)):
                value = layer.linear(value)
                if cell is None:
                    logits = logits + value
                else:
                    value, states[at] = spike(cell, value, states[at])
        return logits

    return run


def _spikingjelly_single(layers: list[Layer], steps: int) -> Callable[[Tensor], Tensor]:
    nodes = [None if layer.start is None else neuron.IFNode(v_reset=None).eval() for layer in layers]

    def run(image: Tensor) -> Tensor:
        logits: Tensor = 0
        for step in range(steps):
            value = image
            for layer, node in zip(layers, nodes, strict=True):
                value = layer.linear(value)
                if node is None:
                    logits = logits + value
                    continue
                if step == 0:
                    functional.reset_net(node)
                    node.v = layer.start.expand_as(value).clone()
                value = node(value)
        return logits

    return run


def _spikingjelly_multi(layers: list[Layer], steps: int) -> Callable[[Tensor], Tensor]:
    nodes = [None if layer.start is None else neuron.IFNode(v_reset=None, step_mode="m").eval() for layer in layers]

    def run(image: Tensor) -> Tensor:
        value = image.repeat(steps, 1, 1, 1)
        for layer, node in zip(layers, nodes, strict=True):
            value = layer.linear(value)
            if node is None:
                return value.sum(0)
            functional.reset_net(node)
            node.v = layer.start.expand_as(value[:1]).clone()
            value = node(value.unsqueeze(1)).squeeze(1)
        raise ValueError("the network has no readout")

    return run


def _sinabs(layers: list[Layer], steps: int) -> Callable[[Tensor], Tensor]:
    cells = [
        None if layer.start is None else sinabs.layers.IAFSqueeze(num_timesteps=steps, spike_fn=SingleSpike)
        for layer in layers
    ]

    def run(image: Tensor) -> Tensor:
        value = image.repeat(steps, 1, 1, 1)
        for layer, cell in zip(layers, cells, strict=True):
            value = layer.linear(value)
            if cell is None:
                return value.sum(0)
            cell.init_state_with_shape((1, *value.shape[1:]))
            cell.v_mem.data += layer.start
            value = cell(value)
        raise ValueError("the network has no readout")

    return run
