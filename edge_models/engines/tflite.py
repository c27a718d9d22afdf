"""The TFLite engine: ai-edge-litert, or tflite-runtime where that is not to be had.

A runtime counts as working only when it has constructed an interpreter: tflite-runtime 2.14 imports beside numpy 2 and
fails at the first use. set_tensor, invoke and get_tensor with cached indices cost 2 to 3 us beyond the model on x86, a
third of the signature runner; get_input_details alone costs 5 us and is asked once.
"""

from __future__ import annotations

import base64
import functools
import importlib
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from edge_models.engines.flatbuffer import check_tflite
from edge_models.engines.native_log import without_notes
from edge_models.engines.opversions import too_new
from edge_models.engines.registry import TFLITE_RUNTIMES
from edge_models.errors import InputError, RuntimeMissingError, UnsupportedArtifactError
from edge_models.tensors import DTYPE_BYTES, DTYPE_RANGE, Dtype, QuantParams, TensorSpec, same_code, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from edge_models.manifest import Artifact, OutputSpec, Requires

_REFUSALS = (RuntimeError, ValueError, TypeError, MemoryError, SystemError)  # all that the wrappers raise

# One RELU on one float, 288 bytes, written with the schema's own generator.
_PROBE = base64.b64decode(
    "GAAAAFRGTDMAAA4AGAAUABAADAAIAAQADgAAABQAAAAgAAAAJAAAANgAAAADAAAAAQAAAAgAAAAEAAQABAAAAAEAAABwAAAAAQAAABAAAAAMABQA"
    "EAAMAAgABAAMAAAAEAAAADwAAABAAAAARAAAAAEAAAAQAAAAAAAKAAwAAAAIAAQACgAAAAgAAAAMAAAAAQAAAAEAAAABAAAAAAAAAAEAAAABAAAA"
    "AQAAAAAAAAACAAAAMAAAAAQAAADk////CAAAAAwAAAABAAAAeQAAAAEAAAABAAAADAAMAAgAAAAAAAQADAAAAAgAAAAMAAAAAQAAAHgAAAABAAAA"
    "AQAAAAEAAAAQAAAADAAMAAsAAAAAAAQADAAAABMAAAAAAAAT"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TfliteTensor:
    """One input or output of a .tflite file."""

    name: str
    index: int
    spec: TensorSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """A module that constructs interpreters, and how to call it in reports."""

    label: str
    module: Any  # ai_edge_litert.interpreter or tflite_runtime.interpreter: no types in either


class TfliteModel:
    """A loaded .tflite file with one input and batch size 1, whatever its dtypes; not tied to a manifest.

    Attributes:
        runtime: Runtime and version, such as ``ai-edge-litert 2.3.0``.
        input: The input.
        outputs: The outputs in the file's order.
    """

    def __init__(self, data: bytes, *, num_threads: int = 1, delegates: bool = True) -> None:
        """Load ``data``.

        Args:
            data: The file's content.
            num_threads: For the runtime.
            delegates: False leaves out XNNPACK: slower, and the same int8 results on every machine.

        Raises:
            RuntimeMissingError: No working runtime.
            UnsupportedArtifactError: Damaged, or refused by the runtime.
        """
        ops = check_tflite(data)
        runtime = find_runtime()
        _check_ops(ops, runtime)
        self.runtime = runtime.label
        try:
            self._interpreter: Any = _interpreter(runtime.module, data, num_threads, delegates=delegates)
            inputs = [_tensor(details) for details in self._interpreter.get_input_details()]
            self.outputs = tuple(_tensor(details) for details in self._interpreter.get_output_details())
        except _REFUSALS as exc:
            raise UnsupportedArtifactError(f"{runtime.label} refuses the model: {_first_line(exc)}") from exc
        if len(inputs) != 1:
            raise UnsupportedArtifactError(f"model has {len(inputs)} inputs, expected 1")
        self.input = inputs[0]

    def run(self, codes: NDArray[Any]) -> list[NDArray[Any]]:
        """Run one frame of stored codes without batch axis; one new array for each output.

        A frame is answered for itself: recurrent layers forget the frame before.

        Raises:
            InputError: Another shape or dtype than the input's.
            UnsupportedArtifactError: The runtime gave up.
            RuntimeError: The model is closed.
        """
        spec = self.input.spec
        if self._interpreter is None:
            raise RuntimeError("the model is closed")
        if codes.shape != spec.shape or codes.dtype != spec.dtype:
            raise InputError(
                f"model input is {codes.dtype}{list(codes.shape)}, expected {spec.dtype}{list(spec.shape)}"
            )
        try:
            self._interpreter.reset_all_variables()  # 0.2 us; or the state of a recurrent layer leaks into this frame
            self._interpreter.set_tensor(self.input.index, codes[None])
            self._interpreter.invoke()
            return [self._interpreter.get_tensor(output.index)[0] for output in self.outputs]
        except _REFUSALS as exc:
            raise UnsupportedArtifactError(f"{self.runtime} gave up on the model: {_first_line(exc)}") from exc

    def close(self) -> None:
        """Free the interpreter."""
        self._interpreter = None


class TfliteEngine:
    """Runs a tflite artifact; an ``edge_models.engines.port.Engine``."""

    name = "tflite"
    executor = "interpreter"
    note = ""

    def __init__(self, artifact: Artifact, data: bytes, *, num_threads: int = 1, delegates: bool = True) -> None:
        """Load the artifact's file and hold its tensors against the manifest.

        Raises:
            RuntimeMissingError: No working runtime.
            UnsupportedArtifactError: The runtime refuses it, or file and manifest differ.
        """
        check_requires(artifact.requires)
        self._model = TfliteModel(data, num_threads=num_threads, delegates=delegates)
        self.runtime = self._model.runtime
        self.input: TensorSpec = artifact.input
        self.outputs: tuple[OutputSpec, ...] = artifact.outputs
        if len(self._model.outputs) != len(artifact.outputs):
            raise UnsupportedArtifactError(
                f"{artifact.file} has {len(self._model.outputs)} outputs, the manifest says {len(artifact.outputs)}"
            )
        _compare(artifact.file, "input", self._model.input.spec, artifact.input)
        for tensor, output in zip(self._model.outputs, artifact.outputs, strict=True):
            _compare(artifact.file, f"output {output.name}", tensor.spec, output.spec)

    def run(self, codes: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Run one frame; see the port."""
        arrays = self._model.run(codes)
        return {output.name: array for output, array in zip(self.outputs, arrays, strict=True)}

    def close(self) -> None:
        """Free the interpreter; a second call does nothing."""
        self._model.close()


@functools.cache
def find_runtime() -> Runtime:
    """The first runtime that constructs an interpreter, tried once in a process.

    Raises:
        RuntimeMissingError: None does; the message says why for each.
    """
    failures = []
    for distribution in TFLITE_RUNTIMES:
        try:
            module = importlib.import_module(f"{distribution.replace('-', '_')}.interpreter")
            with without_notes():  # each runtime says once in a process that it has made its delegate
                module.Interpreter(model_content=_PROBE, num_threads=1).allocate_tensors()
            return Runtime(label=f"{distribution} {metadata.version(distribution)}", module=module)
        except ModuleNotFoundError:
            failures.append(f"{distribution} is not installed")
        except (*_REFUSALS, ImportError, AttributeError) as exc:
            failures.append(f"{distribution} does not work ({_first_line(exc)})")
    raise RuntimeMissingError(
        f"no TFLite runtime: {'; '.join(failures)}; install ai-edge-litert, or tflite-runtime with numpy < 2"
    )


def check_requires(requires: Requires) -> None:
    """Refuse an artifact whose manifest asks for operators that the runtime here lacks.

    Raises:
        RuntimeMissingError: No working runtime.
        UnsupportedArtifactError: Some are too new; the text names them.
    """
    _check_ops(requires.ops, find_runtime())


def _check_ops(ops: Mapping[str, int], runtime: Runtime) -> None:
    newer = too_new(ops, *runtime.label.split(" "))
    if newer:
        raise UnsupportedArtifactError(f"the model needs {'; '.join(newer)}; convert it for this runtime")


def _interpreter(module: Any, data: bytes, num_threads: int, *, delegates: bool) -> Any:  # noqa: ANN401 - untyped runtimes
    resolver = module.OpResolverType
    interpreter = module.Interpreter(
        model_content=data,
        num_threads=num_threads,
        experimental_op_resolver_type=resolver.AUTO if delegates else resolver.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    return interpreter


def _tensor(details: dict[str, Any]) -> TfliteTensor:
    shape = tuple(int(length) for length in details["shape"])
    dtype = np.dtype(details["dtype"]).name
    name = str(details["name"])
    if not shape or shape[0] != 1 or dtype not in DTYPE_BYTES or min(shape) < 1:
        raise UnsupportedArtifactError(f"tensor {name} is {dtype}{list(shape)}, expected numbers with batch axis 1")
    scales, zeros = (details["quantization_parameters"][key] for key in ("scales", "zero_points"))
    if len(scales) > 1:
        raise UnsupportedArtifactError(f"tensor {name} has {len(scales)} scales, expected one for the whole tensor")
    quant = None
    if len(scales) == 1 and dtype in DTYPE_RANGE:
        quant = _quant(name, float(scales[0]), int(zeros[0]))
    return TfliteTensor(
        name=name, index=details["index"], spec=TensorSpec(shape=shape[1:], dtype=cast("Dtype", dtype), quant=quant)
    )


def _quant(name: str, scale: float, zero_point: int) -> QuantParams:
    try:
        return QuantParams(scale=scale, zero_point=zero_point)
    except ValueError as exc:
        raise UnsupportedArtifactError(f"tensor {name}: {exc}") from exc


def _compare(file: str, what: str, found: TensorSpec, declared: TensorSpec) -> None:
    if not same_code(found, declared):
        raise UnsupportedArtifactError(f"{what} of {file} is {shown(found)}, the manifest says {shown(declared)}")


def _first_line(exc: BaseException) -> str:
    return (str(exc).strip() or type(exc).__name__).splitlines()[0][:200]
