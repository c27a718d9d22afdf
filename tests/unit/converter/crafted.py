"""Small .tflite files made to be wrong in one way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import flatbuffers  # type: ignore[import-untyped]
from ai_edge_litert import schema_py_generated as schema


@dataclass(frozen=True, slots=True)
class Op:
    """One operator with one input and one output."""

    name: str
    version: int = 1
    dtype: str = "INT8"
    custom: str | None = None


def tflite(*graphs: list[Op], border: str = "INT8", weights: dict[str, int] | None = None) -> bytes:
    """A file with these operators in a row in each graph.

    Args:
        graphs: The main one first.
        border: Type of the main graph's input.
        weights: Bytes of constants by type, in the main graph; int8 alone by default.
    """
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs = 3, [], []
    model.buffers = [schema.BufferT()]
    for number, ops in enumerate(graphs):
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = [_tensor("x", border)], []
        graph.inputs, graph.outputs = [0], [len(ops)]
        for i, op in enumerate(ops):
            graph.tensors.append(_tensor(f"y{i}", op.dtype))
            graph.operators.append(_operator(len(model.operatorCodes), i))
            model.operatorCodes.append(_code(op))
        if number == 0:
            for dtype, size in ({"INT8": 64} if weights is None else weights).items():
                stored = schema.BufferT()
                stored.data = bytes(size)
                model.buffers.append(stored)
                graph.tensors.append(_tensor(f"w_{dtype}", dtype, buffer=len(model.buffers) - 1))
        model.subgraphs.append(graph)
    builder = flatbuffers.Builder(256)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _tensor(name: str, dtype: str, buffer: int = 0) -> Any:
    made = schema.TensorT()
    made.shape, made.type, made.buffer, made.name = [1, 4], getattr(schema.TensorType, dtype), buffer, name
    return made


def _code(op: Op) -> Any:
    made = schema.OperatorCodeT()
    made.builtinCode = getattr(schema.BuiltinOperator, op.name)
    made.deprecatedBuiltinCode = min(made.builtinCode, 127)  # a byte: what is newer is in the other field only
    made.version, made.customCode = op.version, op.custom
    return made


def _operator(code: int, position: int) -> Any:
    made = schema.OperatorT()
    made.opcodeIndex, made.inputs, made.outputs = code, [position], [position + 1]
    return made
