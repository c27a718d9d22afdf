"""Refuse damaged .tflite files before a runtime sees them.

LiteRT verifies a buffer; tflite-runtime 2.14 does not and reads wherever a wrong offset points, so a truncated file
ends the process with SIGSEGV. This walks the parts of the file that decide where a runtime reads: tables, vectors and
the indices between them, and reads which operators it needs (``edge_models.engines.opversions`` judges them). A file
that passes may still be refused, or abort in a kernel, which is why candidates run in a worker of their own.

Sources: FlatBuffers "internals" page for the encoding, tensorflow/compiler/mlir/lite/schema/schema.fbs (version 3) for
the field numbers.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_models.engines.opversions import CUSTOM, op_name
from edge_models.errors import UnsupportedArtifactError

if TYPE_CHECKING:
    from collections.abc import Iterable

IDENTIFIER = b"TFL3"
SCHEMA_VERSION = 3

_CUSTOM_CODE = 32  # BuiltinOperator_CUSTOM
_MAX_NAME_BYTES = 200
_MAX_ITEMS = 200_000  # tables and indices; large networks have some ten thousand. Bounds a crafted file's time


@dataclass(frozen=True, slots=True)
class _Scalar:
    """A number inside the table, as a struct format."""

    code: str


@dataclass(frozen=True, slots=True)
class _Vector:
    """Numbers outside the table; only its place is checked unless it holds indices."""

    item_bytes: int


@dataclass(frozen=True, slots=True)
class _Indices:
    """A vector of int32 that point at other things."""


@dataclass(frozen=True, slots=True)
class _Tables:
    """A vector of tables, or one table."""

    fields: dict[int, tuple[str, _Field]]
    single: bool = False


@dataclass(frozen=True, slots=True)
class _Text:
    """A string."""


_Field = _Scalar | _Vector | _Indices | _Tables | _Text

_QUANTIZATION = {
    0: ("min", _Vector(4)),
    1: ("max", _Vector(4)),
    2: ("scale", _Vector(4)),
    3: ("zero", _Vector(8)),
}
_TENSOR: dict[int, tuple[str, _Field]] = {
    0: ("shape", _Vector(4)),
    2: ("buffer", _Scalar("I")),
    3: ("name", _Vector(1)),
    4: ("quantization", _Tables(dict(_QUANTIZATION), single=True)),
    7: ("shape_signature", _Vector(4)),
}
_OPERATOR: dict[int, tuple[str, _Field]] = {
    0: ("opcode_index", _Scalar("I")),
    1: ("inputs", _Indices()),
    2: ("outputs", _Indices()),
    4: ("builtin_options", _Tables({}, single=True)),
    5: ("custom_options", _Vector(1)),
    8: ("intermediates", _Indices()),
}
_SUBGRAPH: dict[int, tuple[str, _Field]] = {
    0: ("tensors", _Tables(_TENSOR)),
    1: ("inputs", _Indices()),
    2: ("outputs", _Indices()),
    3: ("operators", _Tables(_OPERATOR)),
    4: ("name", _Vector(1)),
}
_OPERATOR_CODE: dict[int, tuple[str, _Field]] = {
    0: ("deprecated_builtin_code", _Scalar("b")),
    1: ("custom_code", _Text()),
    2: ("version", _Scalar("i")),
    3: ("builtin_code", _Scalar("i")),
}
_MODEL: dict[int, tuple[str, _Field]] = {
    0: ("version", _Scalar("I")),
    1: ("operator_codes", _Tables(_OPERATOR_CODE)),
    2: ("subgraphs", _Tables(_SUBGRAPH)),
    4: ("buffers", _Tables({0: ("data", _Vector(1)), 1: ("offset", _Scalar("Q")), 2: ("size", _Scalar("Q"))})),
}


def check_tflite(data: bytes) -> dict[str, int]:
    """Check that ``data`` is a whole .tflite file whose references stay inside it.

    Returns:
        Highest version of each operator that the file lists, as in ``Requires.ops``.

    Raises:
        UnsupportedArtifactError: It is something else, truncated or damaged.
    """
    if len(data) < 16 or data[4:8] != IDENTIFIER:
        raise UnsupportedArtifactError(
            f"model file of {len(data)} bytes with identifier {data[4:8]!r}, expected {IDENTIFIER!r} of a .tflite file"
        )
    model = _Walk(data).table(_unpack("I", data, 0), _MODEL)
    if model.get("version") != SCHEMA_VERSION:
        raise UnsupportedArtifactError(f"model file has schema {model.get('version')}, expected {SCHEMA_VERSION}")
    _check_indices(model, len(data))
    return _ops(model.get("operator_codes", []))


def _ops(codes: list[dict[str, Any]]) -> dict[str, int]:
    ops: dict[str, int] = {}
    for code in codes:
        number = max(
            code.get("builtin_code", 0), code.get("deprecated_builtin_code", 0)
        )  # old files have a byte for it
        name = CUSTOM + code.get("custom_code", "") if number == _CUSTOM_CODE else op_name(number)
        ops[name] = max(ops.get(name, 1), code.get("version", 1))
    return ops


class _Walk:
    """Reads tables of one buffer, with every offset checked."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._left = _MAX_ITEMS

    def table(self, position: int, fields: dict[int, tuple[str, _Field]]) -> dict[str, Any]:
        """The known fields of the table at ``position`` that the file sets."""
        self._spend(1)
        vtable = position - _unpack("i", self._data, position)
        vtable_bytes, table_bytes = _unpack("H", self._data, vtable), _unpack("H", self._data, vtable + 2)
        self._require(vtable, vtable_bytes)
        self._require(position, table_bytes)
        slots = struct.unpack_from(f"<{max(vtable_bytes // 2 - 2, 0)}H", self._data, vtable + 4)
        found: dict[str, Any] = {}
        for number, (name, kind) in fields.items():
            if number < len(slots) and slots[number]:
                self._require(slots[number], _inline_bytes(kind), table_bytes)
                found[name] = self._field(position + slots[number], kind)
        return found

    def _field(self, position: int, kind: _Field) -> object:
        if isinstance(kind, _Scalar):
            return _unpack(kind.code, self._data, position)
        target = position + _unpack("I", self._data, position)
        if isinstance(kind, _Tables) and kind.single:
            return self.table(target, kind.fields)
        count, start = _unpack("I", self._data, target), target + 4
        if isinstance(kind, _Vector):
            self._require(start, count * kind.item_bytes)
            return count
        if isinstance(kind, _Text):
            self._require(start, count)
            return _operator_name(self._data[start : start + min(count, _MAX_NAME_BYTES + 1)], count)
        self._require(start, count * 4)
        if isinstance(kind, _Indices):
            self._spend(count)
            return struct.unpack_from(f"<{count}i", self._data, start)
        places = range(start, start + 4 * count, 4)
        return [self.table(place + _unpack("I", self._data, place), kind.fields) for place in places]

    def _spend(self, items: int) -> None:
        self._left -= items
        if self._left < 0:
            raise _damaged(f"more than {_MAX_ITEMS} tables and indices")

    def _require(self, start: int, length: int, end: int | None = None) -> None:
        end = len(self._data) if end is None else end
        if start < 0 or start + length > end:
            raise _damaged(f"{length} bytes at {start} of {end}")


def _operator_name(start: bytes, count: int) -> str:
    """The name of a custom operator, which messages repeat."""
    if count > _MAX_NAME_BYTES:
        raise _damaged(f"an operator name of {count} bytes")
    name = start.decode("utf-8", errors="replace")
    if not name.isprintable():
        raise _damaged("an operator name that cannot be shown")
    return name


def _inline_bytes(kind: _Field) -> int:
    """Bytes of a field inside its table: a scalar itself, or the offset of what lies outside."""
    return struct.calcsize(f"<{kind.code}") if isinstance(kind, _Scalar) else 4


def _unpack(code: str, data: bytes, position: int) -> int:
    if not 0 <= position <= len(data) - struct.calcsize(f"<{code}"):
        raise _damaged(f"a reference to {position} of {len(data)}")
    value: int = struct.unpack_from(f"<{code}", data, position)[0]
    return value


def _damaged(detail: str) -> UnsupportedArtifactError:
    return UnsupportedArtifactError(f"model file is truncated or damaged ({detail}); copy or convert it again")


def _check_indices(model: dict[str, Any], size: int) -> None:
    buffers, codes = model.get("buffers", []), model.get("operator_codes", [])
    if not model.get("subgraphs"):
        raise _damaged("no graph")
    for buffer in buffers:
        if buffer.get("offset", 0) > 1 and buffer["offset"] + buffer.get("size", 0) > size:
            raise _damaged(f"a buffer at {buffer['offset']} of {size}")
    for graph in model["subgraphs"]:
        tensors = graph.get("tensors", [])
        for tensor in tensors:
            _check_range((tensor.get("buffer", 0),), len(buffers), "buffers")
        _check_range((*graph.get("inputs", ()), *graph.get("outputs", ())), len(tensors), "tensors")
        for operator in graph.get("operators", []):
            _check_range((operator.get("opcode_index", 0),), len(codes), "operator codes")
            _check_range(operator.get("outputs", ()), len(tensors), "tensors")
            _check_range((i for i in operator.get("inputs", ()) if i != -1), len(tensors), "tensors")  # -1: left out


def _check_range(indices: Iterable[int], count: int, what: str) -> None:
    for index in indices:
        if not 0 <= index < count:
            raise _damaged(f"reference to number {index} of {count} {what}")
