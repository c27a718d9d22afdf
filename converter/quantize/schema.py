"""The .tflite schema: a file as objects, and back; the one place that knows who generates its classes."""
# ruff: noqa: ANN401 - generated classes

from __future__ import annotations

from typing import Any


def unpacked(data: bytes) -> Any:
    """The file as a ModelT with subgraphs, tensors, operators and buffers."""
    from ai_edge_litert import schema_py_generated as schema

    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))


def packed(model: Any) -> bytes:
    """A ModelT as a file for TensorFlow to read; not for a runtime: its buffers are not aligned."""
    import flatbuffers  # type: ignore[import-untyped]

    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def generated() -> Any:
    """The module with the generated classes and enumerations, for who writes files object by object."""
    from ai_edge_litert import schema_py_generated as schema

    return schema


def dtype_names() -> dict[int, str]:
    """Name of each type of tensor by its number, such as int8."""
    from ai_edge_litert import schema_py_generated as schema

    return {number: name.lower() for name, number in vars(schema.TensorType).items() if not name.startswith("_")}
