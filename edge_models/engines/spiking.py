"""The spiking engine: opens a network in integers, or its collapsed graph, and has the fastest executor run it.

All executors give the same answer bit for bit, so that the choice between them is about time alone:

    stills   the collapsed graph, the C kernel, and numpy only where neither of them is
    stream   delta execution of the C kernel, and the executor for stills where that is the faster one

Nothing is missing without a compiler or a TFLite runtime but speed; ``note`` says what is missing, and why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edge_models.engines.spiking_executors import (
    Executors,
    Findings,
    SpikingOptions,
    declared_output,
    installed_kernel,
    load_graph,
)
from edge_models.errors import InputError, UnsupportedArtifactError
from edge_models.manifest import OutputSpec
from edge_models.spiking.archive import from_npz
from edge_models.spiking.collapsed import COUNTS, LOGITS
from edge_models.tensors import QuantParams, TensorSpec, same_code, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from edge_models.bundle import Bundle
    from edge_models.manifest import Artifact
    from edge_models.spiking.executor import Executor, SpikingAnswer, StreamExecutor
    from edge_models.spiking.network import Network

__all__ = ["SpikingEngine", "SpikingOptions", "installed_kernel", "open_spiking", "spiking_outputs"]

TFLITE_MARK = b"TFL3"  # bytes 4 to 8 of every .tflite file


class SpikingEngine:
    """Runs a spiking or collapsed artifact; an ``edge_models.engines.port.Engine``.

    Attributes:
        input: Codes, as the artifact says.
        outputs: ``logits`` and ``counts``.
    """

    name = "spiking"

    def __init__(
        self,
        artifact: Artifact,
        executor: Executor,
        shape: tuple[int, ...],
        *,
        findings: Findings,
        stream: bool,
    ) -> None:
        """Take an open executor.

        Args:
            artifact: What is run.
            executor: Becomes this object's.
            shape: Of the executor's input.
            findings: About the executors behind it.
            stream: A frame that equals the one before is answered without being run.
        """
        self.input, self.outputs = artifact.input, artifact.outputs
        self._executor: Executor | None = executor
        self._shape, self._findings = shape, findings
        self._frame = (
            artifact.input.shape,
            np.dtype(artifact.input.dtype),
        )  # names of dtypes compare slowly
        self._zero_point = np.int32(0 if artifact.input.quant is None else artifact.input.quant.zero_point)
        self._stream = stream
        self._before: tuple[bytes, SpikingAnswer] | None = None
        self._frames = self._steps = 0

    @property
    def executor(self) -> str:
        """What runs the next frame: ``collapsed``, ``c``, ``c-delta``, ``numpy``; ``-early`` with early exit."""
        return self._open().name

    @property
    def runtime(self) -> str:
        """Library and version behind that executor."""
        return self._findings.runtimes[self.executor.partition("-")[0]]

    @property
    def note(self) -> str:
        """Why it is slower than it could be here; empty where nothing is missing."""
        return self._findings.note

    @property
    def mean_steps(self) -> float:
        """Time steps of a frame on average, of those that were run; less than the network's with early exit."""
        return self._steps / max(self._frames, 1)

    def run(self, codes: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Run one frame; see the port."""
        executor = self._open()
        if (codes.shape, codes.dtype) != self._frame:
            raise InputError(
                f"model input is {codes.dtype}{list(codes.shape)}, expected {self.input.dtype}{list(self.input.shape)}"
            )
        if not self._stream:
            answer = self._counted(executor.run(self._centred(codes)))
            return {LOGITS: answer.logits, COUNTS: answer.counts}
        frame = codes.tobytes()
        if self._before is None or self._before[0] != frame:
            self._before = frame, self._counted(executor.run(self._centred(codes)))
        answer = self._before[1]
        return {LOGITS: answer.logits.copy(), COUNTS: answer.counts.copy()}

    def close(self) -> None:
        """Free the executor; a second call does nothing."""
        if self._executor is not None:
            self._executor.close()
            self._executor = self._before = None

    def _counted(self, answer: SpikingAnswer) -> SpikingAnswer:
        self._frames += 1
        self._steps += answer.steps
        return answer

    def _centred(self, codes: NDArray[Any]) -> NDArray[np.int32]:
        x: NDArray[np.int32] = np.subtract(codes, self._zero_point, dtype=np.int32, order="C")
        return x.reshape(self._shape)

    def _open(self) -> Executor:
        if self._executor is None:
            raise RuntimeError("the engine is closed")
        return self._executor


def open_spiking(
    bundle: Bundle,
    artifact_name: str,
    options: SpikingOptions,
    open_kernel: Callable[[Network], StreamExecutor] = installed_kernel,
) -> SpikingEngine:
    """Load a spiking artifact, or the collapsed form of one by itself.

    Args:
        bundle: Opened.
        artifact_name: Which artifact.
        options: How to run it.
        open_kernel: The C kernel, or a RuntimeMissingError that says why there is none.

    Raises:
        BundleError: The file changed, or holds a network that cannot be executed exactly.
        RuntimeMissingError: A collapsed graph, and no TFLite runtime works.
        UnsupportedArtifactError: File and manifest differ, or the runtime refuses the graph.
    """
    artifact = bundle.artifact(artifact_name)
    data = bundle.read(artifact.file)
    if data[4:8] == TFLITE_MARK:
        findings = Findings()
        graph = load_graph(data, artifact, options, findings)
        return SpikingEngine(artifact, graph, graph.input_shape, findings=findings, stream=options.stream)
    network = from_npz(data)
    _check_network(artifact, network)
    executors = Executors(bundle, artifact, network, options, open_kernel)
    executor = executors.for_stream() if options.stream else executors.for_stills()
    return SpikingEngine(
        artifact,
        executor,
        network.input_shape,
        findings=executors.findings,
        stream=options.stream,
    )


def spiking_outputs(network: Network) -> tuple[OutputSpec, OutputSpec]:
    """The outputs of a network's artifacts, the collapsed one included."""
    classes = network.readout.shape[2]
    quant = QuantParams(scale=network.readout.scale / network.levels, zero_point=0)
    logits = TensorSpec(shape=(classes,), dtype="int32", quant=quant)
    counts = TensorSpec(shape=(network.features,), dtype="int32")
    return OutputSpec(name=LOGITS, role="logits", spec=logits), OutputSpec(name=COUNTS, role="embedding", spec=counts)


def _check_network(artifact: Artifact, network: Network) -> None:
    """Hold the network's border against the manifest's."""
    if artifact.coding != network.coding:
        raise UnsupportedArtifactError(
            f"{artifact.file} has coding {network.coding}, the manifest says {artifact.coding}"
        )
    declared = {"input": artifact.input} | {name: declared_output(artifact, name) for name in (LOGITS, COUNTS)}
    held = {"input": network.input} | {output.name: output.spec for output in spiking_outputs(network)}
    for name, spec in held.items():
        if not same_code(spec, declared[name]):
            raise UnsupportedArtifactError(
                f"{name} of {artifact.file} is {shown(spec)}, the manifest says {shown(declared[name])}"
            )
