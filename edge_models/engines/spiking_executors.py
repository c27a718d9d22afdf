"""Opens the executors that there are for a spiking artifact on this machine, and remembers why others are not."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from edge_models.errors import BundleError, EngineError, RuntimeMissingError, UnsupportedArtifactError
from edge_models.spiking.collapsed import COUNTS, LOGITS, Collapsed
from edge_models.spiking.early_exit import EarlyExit
from edge_models.spiking.program import ABI
from edge_models.spiking.ranges import collapse_obstacle
from edge_models.spiking.reference import Reference
from edge_models.spiking.streaming import Fastest, Held, Streaming

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_models.bundle import Bundle
    from edge_models.manifest import Artifact
    from edge_models.spiking.executor import Executor, StreamExecutor
    from edge_models.spiking.network import Network
    from edge_models.tensors import TensorSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class SpikingOptions:
    """How an artifact is to be run.

    Attributes:
        num_threads: For a TFLite runtime.
        delegates: Whether that may use its default delegates.
        stream: The frames follow each other: keep state between them where that saves work.
        hold: Send-on-delta of a stream, in codes; 0 and 1 are exact.
        clock_ns: CPU time, which executors are compared by.
    """

    num_threads: int = 1
    delegates: bool = True
    stream: bool = False
    hold: int = 0
    clock_ns: Callable[[], int]


def installed_kernel(network: Network) -> StreamExecutor:
    """The C kernel of this installation with ``network`` loaded.

    Raises:
        RuntimeMissingError: There is none; the text says why.
    """
    from edge_models.spiking.kernel import Kernel  # here: ctypes is nothing for who only reads this module's names

    return Kernel(network)


@dataclass(slots=True, kw_only=True)
class Findings:
    """What opening executors has found out so far.

    Attributes:
        runtimes: Library and version by the name of each executor that was opened.
        note: Why it is slower than it could be, one line; empty where nothing is missing.
    """

    runtimes: dict[str, str] = field(default_factory=dict)
    note: str = ""


class Executors:
    """Opens the executors that there are for one network, and remembers why others are not.

    Attributes:
        findings: Grows with every executor that is opened, also later in a stream.
    """

    def __init__(
        self,
        bundle: Bundle,
        artifact: Artifact,
        network: Network,
        options: SpikingOptions,
        open_kernel: Callable[[Network], StreamExecutor],
    ) -> None:
        self._bundle, self._artifact, self._network, self._options = bundle, artifact, network, options
        self._open_kernel = open_kernel
        self.findings = Findings()

    def for_stream(self) -> Executor:
        """Delta execution where it is to be had, and what runs stills."""
        executor = self._delta()
        return Held(executor, self._options.hold) if self._options.hold > 1 else executor

    def _delta(self) -> Executor:
        if self._network.coding == "if":
            return self.for_stills()  # membranes start anew with every frame: there is no state to keep
        delta, reason = self._kernel()
        if delta is not None:
            return Streaming(delta, self.for_stills, self._options.clock_ns)
        still = self.for_stills()
        self.findings.note = f"no delta execution: {reason}"
        return still

    def for_stills(self) -> Executor:
        """The fastest of those that are here."""
        graph, why_no_graph = self._graph()
        kernel, why_no_kernel = self._kernel()
        if graph is None:
            self.findings.note = "; ".join(reason for reason in (why_no_kernel, why_no_graph) if reason)
        if graph is None and kernel is None:
            self.findings.runtimes["numpy"] = f"numpy {np.__version__}"
        margin = self._artifact.exit_margin
        if margin is not None:
            return EarlyExit(kernel or Reference(self._network), margin, self._network.steps)
        found: list[Executor] = [executor for executor in (graph, kernel) if executor is not None]
        return Fastest(found or [Reference(self._network)], self._options.clock_ns)

    def _graph(self) -> tuple[Collapsed | None, str]:
        """The collapsed graph, or why not; no reason where the bundle has none.

        It only saves time, so whatever is wrong with it is a reason and not an error.
        """
        if self._artifact.collapsed is None:
            return None, ""
        try:
            return self._open_graph(self._artifact.collapsed), ""
        except (BundleError, EngineError) as exc:
            return None, f"no collapsed graph: {exc}"

    def _open_graph(self, name: str) -> Collapsed:
        artifact = self._bundle.artifact(name)
        obstacle = collapse_obstacle(self._network)
        if obstacle is not None:
            raise UnsupportedArtifactError(obstacle)
        if not self._bundle.path(artifact.file).exists():
            raise UnsupportedArtifactError(f"{artifact.file} is not on this machine")
        data = self._bundle.read(artifact.file)
        graph = load_graph(data, artifact, self._options, self.findings, steps=self._network.steps)
        if graph.input_shape != self._network.input_shape:
            found, wanted = list(graph.input_shape), list(self._network.input_shape)
            raise UnsupportedArtifactError(f"input of {artifact.file} is {found}, the network's is {wanted}")
        return graph

    def _kernel(self) -> tuple[StreamExecutor | None, str]:
        """The C kernel, or why not."""
        try:
            kernel = self._open_kernel(self._network)
        except RuntimeMissingError as exc:
            return None, str(exc)
        self.findings.runtimes[kernel.name] = f"spiking-kernel {ABI}"
        return kernel, ""


def load_graph(
    data: bytes, artifact: Artifact, options: SpikingOptions, findings: Findings, *, steps: int = 1
) -> Collapsed:
    """Open a collapsed graph and hold its border against the manifest.

    Args:
        data: The file.
        artifact: Whose file it is.
        options: How to run it.
        findings: Is told which runtime loaded it.
        steps: What its answers say of time steps.

    Raises:
        RuntimeMissingError: No TFLite runtime works.
        UnsupportedArtifactError: The runtime refuses it, or file and manifest differ.
    """
    from edge_models.engines.tflite import TfliteModel, check_requires  # a runtime, where there may be none

    check_requires(artifact.requires)
    model = TfliteModel(data, num_threads=options.num_threads, delegates=options.delegates)
    graph = Collapsed(model, steps=steps)
    findings.runtimes[graph.name] = model.runtime
    found = (math.prod(graph.input_shape), (graph.classes,), (graph.features,))
    logits, counts = (declared_output(artifact, name) for name in (LOGITS, COUNTS))
    if found != (math.prod(artifact.input.shape), logits.shape, counts.shape):
        shapes = f"{list(graph.input_shape)} to {graph.classes} logits and {graph.features} counts"
        raise UnsupportedArtifactError(f"{artifact.file} maps {shapes}, the manifest says otherwise; build it again")
    return graph


def declared_output(artifact: Artifact, name: str) -> TensorSpec:
    """What the manifest says of ``logits`` or ``counts``.

    Raises:
        UnsupportedArtifactError: It has other outputs.
    """
    found = next((output.spec for output in artifact.outputs if output.name == name), None)
    if found is None or len(artifact.outputs) != 2:
        names = ", ".join(output.name for output in artifact.outputs)
        raise UnsupportedArtifactError(f"{artifact.file} gives {LOGITS} and {COUNTS}, the manifest says {names}")
    return found
