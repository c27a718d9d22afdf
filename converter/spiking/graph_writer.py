"""Write a .tflite graph operator by operator: every number and every operator is the caller's, no converter in between.

Constants lie at multiples of 16 bytes in the file, as runtimes that map it expect.
"""
# ruff: noqa: ANN401 - generated classes

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import flatbuffers  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

from converter.quantize.schema import generated

_ALIGNMENT_BYTES = 16
_SCHEMA_VERSION = 3
_DTYPES = ("float32", "float16", "int8", "int32")


Options = tuple[str, dict[str, Any]]
"""Name of an operator's class of options in the schema, and what differs from the defaults there."""


class Padding(IntEnum):
    """Numbers of the .tflite schema."""

    SAME = 0
    VALID = 1


class Activation(IntEnum):
    """What an operator applies to its sums; numbers of the .tflite schema."""

    NONE = 0
    RELU = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A tensor of the graph, batch axis included."""

    index: int
    shape: tuple[int, ...]


class GraphWriter:
    """Gathers tensors and operators; ``to_bytes`` makes the file."""

    def __init__(self) -> None:
        self._schema = generated()
        self._types = {name: getattr(self._schema.TensorType, name.upper()) for name in _DTYPES}
        self._model = self._schema.ModelT()
        self._graph = self._schema.SubGraphT()
        self._graph.tensors, self._graph.operators = [], []
        self._model.version, self._model.subgraphs = _SCHEMA_VERSION, [self._graph]
        self._model.buffers, self._model.operatorCodes = [self._schema.BufferT()], []
        self._codes: dict[tuple[int, int], int] = {}

    def value(self, shape: tuple[int, ...], name: str) -> Tensor:
        """A float32 tensor that an operator computes, or the input."""
        return self._tensor(shape, "float32", name, buffer=0)

    def constant(self, numbers: NDArray[Any], name: str, *, scale: float | None = None) -> Tensor:
        """A tensor of fixed numbers: float32, float16, int32, or int8 with a scale and zero point 0."""
        buffer = _AlignedBuffer(np.ascontiguousarray(numbers).tobytes(), self._schema)
        self._model.buffers.append(buffer)
        made = self._tensor(numbers.shape, numbers.dtype.name, name, buffer=len(self._model.buffers) - 1)
        if scale is not None:
            quantization = self._schema.QuantizationParametersT()
            quantization.scale, quantization.zeroPoint = np.array([scale], np.float32), np.array([0], np.int64)
            self._graph.tensors[made.index].quantization = quantization
        return made

    def add(
        self,
        operator: str,
        inputs: list[Tensor],
        shape: tuple[int, ...],
        name: str,
        *,
        version: int = 1,
        options: Options | None = None,
    ) -> Tensor:
        """Append an operator and return its one output.

        Args:
            operator: Name in the schema, such as CONV_2D.
            inputs: What it reads.
            shape: Of its output, which is float32.
            name: Of its output.
            version: Of the operator.
            options: Of the operator, if any differ from the defaults.
        """
        output = self.value(shape, name)
        made = self._schema.OperatorT()
        made.opcodeIndex = self._code(getattr(self._schema.BuiltinOperator, operator), version)
        made.inputs = np.array([tensor.index for tensor in inputs], np.int32)
        made.outputs = np.array([output.index], np.int32)
        if options is not None:
            kind, values = options
            made.builtinOptionsType = getattr(self._schema.BuiltinOptions, kind)
            made.builtinOptions = getattr(self._schema, f"{kind}T")()
            for key, value in values.items():
                setattr(made.builtinOptions, key, value)
        self._graph.operators.append(made)
        return output

    def rename(self, tensor: Tensor, name: str) -> None:
        """Give a tensor another name."""
        self._graph.tensors[tensor.index].name = name

    def to_bytes(self, inputs: list[Tensor], outputs: list[Tensor]) -> bytes:
        """The file."""
        self._graph.inputs = np.array([tensor.index for tensor in inputs], np.int32)
        self._graph.outputs = np.array([tensor.index for tensor in outputs], np.int32)
        builder = flatbuffers.Builder(1 << 16)
        builder.Finish(self._model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _tensor(self, shape: tuple[int, ...], dtype: str, name: str, *, buffer: int) -> Tensor:
        made = self._schema.TensorT()
        made.shape, made.type = np.array(shape, np.int32), self._types[dtype]
        made.buffer, made.name = buffer, name
        self._graph.tensors.append(made)
        return Tensor(index=len(self._graph.tensors) - 1, shape=tuple(int(length) for length in shape))

    def _code(self, number: int, version: int) -> int:
        if (number, version) not in self._codes:
            code = self._schema.OperatorCodeT()
            code.builtinCode, code.version = number, version
            code.deprecatedBuiltinCode = min(number, 127)  # older readers look here
            self._codes[number, version] = len(self._model.operatorCodes)
            self._model.operatorCodes.append(code)
        return self._codes[number, version]


class _AlignedBuffer:
    """A ``BufferT`` whose bytes begin at a multiple of 16."""

    def __init__(self, data: bytes, schema: Any) -> None:
        self._data, self._schema = data, schema

    def Pack(self, builder: Any) -> Any:  # noqa: N802 - the generated classes call it so
        builder.Prep(_ALIGNMENT_BYTES, len(self._data))
        data = builder.CreateByteVector(self._data)
        self._schema.BufferStart(builder)
        self._schema.BufferAddData(builder, data)
        return self._schema.BufferEnd(builder)
