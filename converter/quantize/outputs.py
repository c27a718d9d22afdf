"""Give a .tflite file one more output without writing it anew.

A tensor that the graph computes anyway is named among its outputs; every other byte stays as it is, so the answers of
the file stay the same and its weights stay aligned. New vectors are appended: references in a FlatBuffer point forward.

Source: FlatBuffers "internals" page; tensorflow/compiler/mlir/lite/schema/schema.fbs (version 3) for the fields.
"""
# ruff: noqa: ANN401 - generated classes

from __future__ import annotations

import struct
from typing import Any

from converter.quantize.schema import generated, unpacked

_OUTPUTS_OF_GRAPH = 2  # number of the field in the table
_OUTPUTS_OF_SIGNATURE = 1
_ALIGNED = 16  # as the schema asks of buffers


def with_output(data: bytes, tensor: int, name: str) -> bytes:
    """The file with a tensor of its main graph as its last output.

    Args:
        data: The .tflite file.
        tensor: Number of the tensor in the main graph.
        name: Of the output in the file's signature, where it has one.
    """
    schema = generated()
    found, model = unpacked(data), schema.Model.GetRootAs(data, 0)
    made = bytearray(data)
    outputs = [*map(int, found.subgraphs[0].outputs), tensor]
    _repoint(made, model.Subgraphs(0)._tab, _OUTPUTS_OF_GRAPH, _indices(outputs))  # noqa: SLF001 - no public way
    for number, signature in enumerate(found.signatureDefs or ()):
        if signature.subgraphIndex == 0:
            entry = schema.TensorMapT()
            entry.name, entry.tensorIndex = name, tensor
            maps = _maps([*signature.outputs, entry])
            _repoint(made, model.SignatureDefs(number)._tab, _OUTPUTS_OF_SIGNATURE, maps)  # noqa: SLF001
    return bytes(made)


def _repoint(made: bytearray, table: Any, field: int, vector: bytes) -> None:
    """Append a vector, and let a field of a table refer to it.

    Args:
        made: The file.
        table: In the file; it must have the field.
        field: Its number.
        vector: A FlatBuffer of its own whose root is the vector.
    """
    place = table.Pos + table.Offset(4 + 2 * field)  # two bytes for each field, after the sizes of vtable and table
    made.extend(bytes(-len(made) % _ALIGNED))
    (root,) = struct.unpack_from("<I", vector)
    struct.pack_into("<I", made, place, len(made) + root - place)
    made.extend(vector)


def _indices(tensors: list[int]) -> bytes:
    import flatbuffers  # type: ignore[import-untyped]

    builder = flatbuffers.Builder(64)
    builder.StartVector(4, len(tensors), 4)
    for tensor in reversed(tensors):
        builder.PrependInt32(tensor)
    return _finished(builder, builder.EndVector())


def _maps(entries: list[Any]) -> bytes:
    import flatbuffers

    builder = flatbuffers.Builder(256)
    places = [entry.Pack(builder) for entry in entries]
    builder.StartVector(4, len(places), 4)
    for place in reversed(places):
        builder.PrependUOffsetTRelative(place)
    return _finished(builder, builder.EndVector())


def _finished(builder: Any, root: int) -> bytes:
    builder.Finish(root)
    return bytes(builder.Output())
