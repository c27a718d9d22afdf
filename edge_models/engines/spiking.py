"""The spiking engine: opens a network in integers, or its collapsed graph, and has the fastest executor run it.

All executors give the same answer bit for bit, so that the choice between them is about time alone:

    stills   the collapsed graph, the C kernel, and numpy only where neither of them is
    stream   delta execution of the C kernel, and the executor for stills where that is the faster one

Nothing is missing without a compiler or a TFLite runtime but speed; ``note`` says what is missing, and why.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_models.errors import EngineError, InputError, UnsupportedArtifactError
from edge_models.manifest import OutputSpec
from edge_models.spiking.archive import from_npz
from edge_models.spiking.collapsed import COUNTS, LOGITS, Collapsed
from edge_models.spiking.ranges import collapse_obstacle
from edge_models.spiking.reference import Reference
from edge_models.spiking.streaming import DELTA_SUFFIX, Fastest, Streaming
from edge_models.tensors import QuantParams, TensorSpec, same_code, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from edge_models.bundle import Bundle
    from edge_models.manifest import Artifact
    from edge_models.spiking.executor import DeltaExecutor, Executor
    from edge_models.spiking.network import Network

TFLITE_MARK = b"TFL3"  # bytes 4 to 8 of every .tflite file


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


class SpikingEngine:
    """Runs a spiking or collapsed artifact; an ``edge_models.engines.port.Engine``.

    Attributes:
        input: Codes, as the artifact says.
        outputs: ``logits`` and ``counts``.
        note: What would make it faster here, for people; empty where nothing is missing.
    """

    name = "spiking"

    def __init__(
        self, artifact: Artifact, executor: Executor, shape: tuple[int, ...], runtimes: Mapping[str, str], note: str
    ) -> None:
        """Take an open executor.

        Args:
            artifact: What is run.
            executor: Becomes this object's.
            shape: Of the executor's input.
            runtimes: Library and version behind each name that the executor may have.
            note: See the attribute.
        """
        self.input, self.outputs, self.note = artifact.input, artifact.outputs, note
        self._executor: Executor | None = executor
        self._shape, self._runtimes = shape, runtimes
        self._zero_point = np.int32(0 if artifact.input.quant is None else artifact.input.quant.zero_point)

    @property
    def executor(self) -> str:
        """What runs the next frame: ``collapsed``, ``c``, ``c-delta`` or ``numpy``."""
        return self._open().name

    @property
    def runtime(self) -> str:
        """Library and version behind that executor."""
        return self._runtimes[self.executor.removesuffix(DELTA_SUFFIX)]

    def run(self, codes: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Run one frame; see the port."""
        executor = self._open()
        if codes.shape != self.input.shape or codes.dtype != self.input.dtype:
            raise InputError(
                f"model input is {codes.dtype}{list(codes.shape)}, expected {self.input.dtype}{list(self.input.shape)}"
            )
        x = np.subtract(codes, self._zero_point, dtype=np.int32, order="C").reshape(self._shape)
        answer = executor.run(x)
        return {LOGITS: answer.logits, COUNTS: answer.counts}

    def close(self) -> None:
        """Free the executor; a second call does nothing."""
        if self._executor is not None:
            self._executor.close()
            self._executor = None

    def _open(self) -> Executor:
        if self._executor is None:
            raise RuntimeError("the engine is closed")
        return self._executor


def open_spiking(bundle: Bundle, artifact_name: str, options: SpikingOptions) -> SpikingEngine:
    """Load a spiking artifact, or the collapsed form of one by itself.

    Raises:
        BundleError: The file changed, or holds a network that cannot be executed exactly.
        RuntimeMissingError: A collapsed graph, and no TFLite runtime works.
        UnsupportedArtifactError: File and manifest differ, or the runtime refuses the graph.
    """
    artifact = bundle.artifact(artifact_name)
    data = bundle.read(artifact.file)
    if data[4:8] == TFLITE_MARK:
        runtimes: dict[str, str] = {}
        graph = _load_graph(data, artifact, options, runtimes)
        return SpikingEngine(artifact, graph, graph.input_shape, runtimes, "")
    network = from_npz(data)
    _check_network(artifact, network)
    executors = _Executors(bundle, artifact, network, options)
    executor = executors.for_stream() if options.stream else executors.for_stills()
    return SpikingEngine(artifact, executor, network.input_shape, executors.runtimes, executors.note)


def spiking_outputs(network: Network) -> tuple[OutputSpec, OutputSpec]:
    """The outputs of a network's artifacts, the collapsed one included."""
    classes = network.readout.shape[2]
    quant = QuantParams(scale=network.readout.scale / network.levels, zero_point=0)
    logits = TensorSpec(shape=(classes,), dtype="int32", quant=quant)
    counts = TensorSpec(shape=(network.features,), dtype="int32")
    return OutputSpec(name=LOGITS, role="logits", spec=logits), OutputSpec(name=COUNTS, role="embedding", spec=counts)


class _Executors:
    """Opens the executors that there are for one network, and remembers why others are not.

    Attributes:
        runtimes: Library and version by the name of each executor that was opened.
        note: Why it is slower than it could be, or empty.
    """

    def __init__(self, bundle: Bundle, artifact: Artifact, network: Network, options: SpikingOptions) -> None:
        self._bundle, self._artifact, self._network, self._options = bundle, artifact, network, options
        self.runtimes: dict[str, str] = {}
        self.note = ""

    def for_stream(self) -> Executor:
        """Delta execution where it is to be had, and what runs stills."""
        if self._network.coding == "if":
            return self.for_stills()  # membranes start anew with every frame: there is no state to keep
        delta, reason = self._kernel()
        if delta is None:
            still = self.for_stills()
            self.note = f"no delta execution and no C kernel: {reason}"
            return still
        return Streaming(delta, self.for_stills, self._options.clock_ns, hold=self._options.hold)

    def for_stills(self) -> Executor:
        """The fastest of those that are here."""
        graph, why_no_graph = self._graph()
        kernel, why_no_kernel = self._kernel()
        found: list[Executor] = [executor for executor in (graph, kernel) if executor is not None]
        if not found:
            self.runtimes["numpy"] = f"numpy {np.__version__}"
            self.note = "; ".join(reason for reason in (why_no_kernel, why_no_graph) if reason)
            return Reference(self._network)
        return Fastest(found, self._options.clock_ns)

    def _graph(self) -> tuple[Collapsed | None, str]:
        """The collapsed graph, or why not; no reason where the bundle has none."""
        if self._artifact.collapsed is None:
            return None, ""
        artifact = self._bundle.artifact(self._artifact.collapsed)
        if not self._bundle.path(artifact.file).exists():
            return None, f"no collapsed graph: {artifact.file} is not on this machine"
        obstacle = collapse_obstacle(self._network)
        if obstacle is not None:
            return None, f"no collapsed graph: {obstacle}"
        try:
            data = self._bundle.read(artifact.file)
            graph = _load_graph(data, artifact, self._options, self.runtimes, steps=self._network.steps)
        except EngineError as exc:
            return None, f"no collapsed graph: {exc}"
        if graph.input_shape != self._network.input_shape:
            found, wanted = list(graph.input_shape), list(self._network.input_shape)
            raise UnsupportedArtifactError(f"input of {artifact.file} is {found}, the network's is {wanted}")
        return graph, ""

    def _kernel(self) -> tuple[DeltaExecutor | None, str]:
        """The C kernel, or why not."""
        return None, "no C kernel"


def _load_graph(
    data: bytes, artifact: Artifact, options: SpikingOptions, runtimes: dict[str, str], *, steps: int = 1
) -> Collapsed:
    from edge_models.engines.tflite import TfliteModel, check_requires  # a runtime, where there may be none

    check_requires(artifact.requires)
    model = TfliteModel(data, num_threads=options.num_threads, delegates=options.delegates)
    graph = Collapsed(model, steps=steps)
    runtimes[graph.name] = model.runtime
    found = (math.prod(graph.input_shape), (graph.classes,), (graph.features,))
    logits, counts = (_output(artifact, name) for name in (LOGITS, COUNTS))
    if found != (math.prod(artifact.input.shape), logits.shape, counts.shape):
        shapes = f"{list(graph.input_shape)} to {graph.classes} logits and {graph.features} counts"
        raise UnsupportedArtifactError(f"{artifact.file} maps {shapes}, the manifest says otherwise; build it again")
    return graph


def _check_network(artifact: Artifact, network: Network) -> None:
    """Hold the network's border against the manifest's."""
    if artifact.coding != network.coding:
        raise UnsupportedArtifactError(
            f"{artifact.file} has coding {network.coding}, the manifest says {artifact.coding}"
        )
    declared = {"input": artifact.input} | {name: _output(artifact, name) for name in (LOGITS, COUNTS)}
    held = {"input": network.input} | {output.name: output.spec for output in spiking_outputs(network)}
    for name, spec in held.items():
        if not same_code(spec, declared[name]):
            raise UnsupportedArtifactError(
                f"{name} of {artifact.file} is {shown(spec)}, the manifest says {shown(declared[name])}"
            )


def _output(artifact: Artifact, name: str) -> TensorSpec:
    found = next((output.spec for output in artifact.outputs if output.name == name), None)
    if found is None or len(artifact.outputs) != 2:
        names = ", ".join(output.name for output in artifact.outputs)
        raise UnsupportedArtifactError(f"{artifact.file} gives {LOGITS} and {COUNTS}, the manifest says {names}")
    return found
