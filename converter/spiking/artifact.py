"""The artifacts ``spiking`` and ``collapsed`` of one network: one function, two files, no tolerance between them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from converter.artifact import Opener, Runnable, golden_count
from converter.errors import ConversionError
from converter.quantize.graph import read_graph, runtimes_for
from edge_models.engines.port import Engine
from edge_models.engines.spiking import SpikingEngine, spiking_outputs
from edge_models.engines.tflite import TfliteModel
from edge_models.errors import RuntimeMissingError
from edge_models.manifest import Artifact, Probe, Requires
from edge_models.quantize import quantize
from edge_models.spiking.archive import from_npz, to_npz
from edge_models.spiking.collapsed import Collapsed
from edge_models.spiking.executor import Executor
from edge_models.spiking.kernel import Kernel
from edge_models.spiking.network import Network
from edge_models.spiking.reference import Reference

SPIKING, COLLAPSED = "spiking", "collapsed"
SPIKING_FILE, COLLAPSED_FILE = "model.spiking.npz", "model.collapsed.tflite"


def spiking_artifacts(network: Network, graph: bytes | None) -> tuple[Runnable, ...]:
    """What a bundle gets of a network.

    Args:
        network: In integers.
        graph: The collapsed form, .tflite; None where there is none.

    Raises:
        NetworkError: The network cannot be executed exactly.
        EngineError: A file does not run here.
    """
    needs = Requires(runtimes=("numpy",))
    collapsed = None if graph is None else COLLAPSED
    made = [_runnable(SPIKING, _artifact(SPIKING, network, needs, collapsed), to_npz(network), _open_network)]
    if graph is not None:
        found = read_graph(graph)
        needs = Requires(runtimes=runtimes_for(found), ops=found.ops)
        made.append(_runnable(COLLAPSED, _artifact(COLLAPSED, network, needs, None), graph, _open_graph))
    return tuple(made)


def check_equal(runnables: Sequence[Runnable], inputs: NDArray[np.float32]) -> None:
    """Have all forms answer the same preprocessed inputs (n, ...).

    Raises:
        ConversionError: They differ.
    """
    first, *others = runnables
    for x in inputs:
        codes = quantize(x.reshape(first.artifact.input.shape), first.artifact.input)
        expected = first.engine.run(codes)
        for other in others:
            given = other.engine.run(codes)
            if any(not np.array_equal(given[name], expected[name]) for name in expected):
                raise ConversionError(
                    f"artifacts {first.name} and {other.name} differ, expected the same integers; build with "
                    "spiking.collapsed=false, and report it with the recipe"
                )


def _runnable(name: str, artifact: Artifact, data: bytes, opened: Opener) -> Runnable:
    engine = opened(artifact, data, delegates=True)
    return Runnable(name=name, artifact=artifact, engine=engine, data=data, opened=opened)


def _artifact(name: str, network: Network, requires: Requires, collapsed: str | None) -> Artifact:
    return Artifact(
        engine="spiking",
        file=SPIKING_FILE if name == SPIKING else COLLAPSED_FILE,
        coding=network.coding,
        collapsed=collapsed,
        requires=requires,
        input=network.input,
        outputs=spiking_outputs(network),
        profile=f"{name}-profile.npz",
        probe=Probe(file=f"{name}-probe.npz", count=golden_count(network.input)),
    )


def _open_network(artifact: Artifact, data: bytes, *, delegates: bool) -> Engine:  # noqa: ARG001 - without a runtime
    """The stored network in the kernel, or in numpy where that is not installed."""
    network = from_npz(data)
    executor: Executor
    try:
        executor = Kernel(network)
    except RuntimeMissingError:
        executor = Reference(network)
    runtimes = {executor.name: executor.name if executor.name == "c" else f"numpy {np.__version__}"}
    return SpikingEngine(artifact, executor, network.input_shape, runtimes, "")


def _open_graph(artifact: Artifact, data: bytes, *, delegates: bool) -> Engine:
    model = TfliteModel(data, delegates=delegates)
    graph = Collapsed(model)
    return SpikingEngine(artifact, graph, graph.input_shape, {graph.name: model.runtime}, "")
