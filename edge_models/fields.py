"""Typed documents: frozen dataclasses from JSON or YAML values with every value checked, and back.

One decoder serves the manifest, the messages on the wire (unknown fields are ignored, so that old readers survive new
writers) and the YAML configurations (unknown keys are refused, so that a typing error is not silently a default).
It decides only about types, bounds and names; what the values mean is checked in each class's ``__post_init__``.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True, slots=True, kw_only=True)
    ... class Broker:
    ...     host: str = described("Name or address of the broker.")
    ...     port: int = described("TCP port.", default=1883, ge=1, le=65535)
    >>> decode(Broker, {"host": "pi.local"})
    Broker(host='pi.local', port=1883)
    >>> decode(Broker, {"host": "pi.local", "port": 0}, where="mqtt")
    Traceback (most recent call last):
    edge_models.errors.FieldError: mqtt.port: found 0, expected an integer from 1 to 65535
"""
# ruff: noqa: ANN401 - a type form (int | None, Literal["a"], tuple[X, ...]) has no static type of its own in 3.11

from __future__ import annotations

import dataclasses
import enum
import functools
import json
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING
from typing import Any, Literal, TypeVar, cast

from edge_models.described import Described, described, description
from edge_models.errors import FieldError
from edge_models.json_text import parse_json
from edge_models.scalars import SCALARS, check_length, decode_str, expect, join, one_of, shown

__all__ = [
    "Described",
    "JsonValue",
    "Unknown",
    "canonical_json",
    "decode",
    "decode_json",
    "described",
    "description",
    "encode",
    "hints",
    "plain",
    "union_tag",
]

T = TypeVar("T")
JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]
Unknown = Literal["ignore", "refuse"]


def decode(kind: type[T], value: object, *, where: str = "", unknown: Unknown = "ignore") -> T:
    """Build a ``kind`` from a JSON or YAML value.

    Args:
        kind: A dataclass, or any type that a dataclass field may have here (see ``_decode``).
        value: What ``json.loads`` or ``yaml.safe_load`` returned.
        where: Path of the value in its document, for the error message.
        unknown: What to do with keys that the dataclass does not have.

    Raises:
        FieldError: A value is missing, of the wrong type, out of bounds or, with ``refuse``, unknown.
    """
    return cast("T", _decode(kind, value, where, unknown, Described(doc="")))


def decode_json(kind: type[T], data: bytes, *, max_bytes: int) -> T:
    """Build a ``kind`` from JSON bytes of at most ``max_bytes``; unknown fields are ignored.

    Raises:
        FieldError: Too long, nested too deep, not UTF-8, not JSON, or the wrong fields.
    """
    return decode(kind, parse_json(data, max_bytes=max_bytes))


def encode(value: object) -> JsonValue:
    """Turn a dataclass (or a value inside one) into plain JSON values; fields that are None stay as null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: encode(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return cast("JsonValue", value.value)
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [encode(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} has no JSON form")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"{type(value).__name__} has no JSON form")


def canonical_json(value: object) -> bytes:
    """The one byte form that digests are taken of: sorted keys, no spaces, UTF-8, no NaN, a final newline."""
    text = json.dumps(encode(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


@functools.cache
def hints(kind: type) -> dict[str, Any]:
    """The resolved type of each field of a dataclass."""
    return typing.get_type_hints(kind)


def plain(kind: Any) -> Any:
    """Strip NewType: identity types are checked as the type that they name."""
    while isinstance(kind, typing.NewType):
        kind = kind.__supertype__
    return kind


def _decode(kind: Any, value: object, where: str, unknown: Unknown, meta: Described) -> object:
    kind = plain(kind)
    origin = typing.get_origin(kind)
    if dataclasses.is_dataclass(kind):
        return _decode_dataclass(cast("type", kind), value, where, unknown)
    if origin in (typing.Union, types.UnionType):
        return _decode_union(kind, value, where, unknown, meta)
    if origin is Literal:
        return one_of(value, typing.get_args(kind), where)
    if origin is tuple:
        return _decode_tuple(kind, value, where, unknown, meta)
    if origin in (dict, Mapping):
        item_kind = typing.get_args(kind)[1]
        items = expect(value, dict, where, "a mapping")
        check_length(items, meta, where, "keys")
        inner = dataclasses.replace(meta, max_length=None)
        return {
            decode_str(key, where, Described(doc="")): _decode(item_kind, item, join(where, str(key)), unknown, inner)
            for key, item in items.items()
        }
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind(one_of(value, [member.value for member in kind], where))
    scalar = SCALARS.get(kind)
    if scalar is None:
        raise TypeError(f"{kind!r} cannot be decoded")
    return scalar(value, where, meta)


def _decode_dataclass(kind: type, value: object, where: str, unknown: Unknown) -> object:
    given = expect(value, dict, where, f"a mapping with {', '.join(hints(kind))}")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    surplus = [key for key in given if key not in fields]
    if surplus and unknown == "refuse":
        raise FieldError(join(where, str(surplus[0])), "an unknown key", f"one of {', '.join(fields)}")
    missing = [
        name
        for name, field in fields.items()
        if name not in given and field.default is MISSING and field.default_factory is MISSING
    ]
    if missing:
        raise FieldError(join(where, missing[0]), "nothing", description(fields[missing[0]]).doc or "a value")
    arguments = {
        name: _decode(hints(kind)[name], given[name], join(where, name), unknown, description(fields[name]))
        for name in fields
        if name in given
    }
    try:
        return kind(**arguments)
    except FieldError as exc:
        raise FieldError(join(where, exc.where), exc.found, exc.expected) from exc
    except ValueError as exc:
        raise FieldError(where, "values that do not fit together", str(exc)) from exc


def _decode_union(kind: Any, value: object, where: str, unknown: Unknown, meta: Described) -> object:
    members = [member for member in typing.get_args(kind) if member is not type(None)]
    if value is None and len(members) < len(typing.get_args(kind)):
        return None
    if len(members) == 1:
        return _decode(members[0], value, where, unknown, meta)
    if all(dataclasses.is_dataclass(member) for member in members):
        tag = union_tag(members)
        by_name = {name: member for member in members for name in typing.get_args(hints(member)[tag])}
        given = expect(value, dict, where, f"a mapping with {tag}: {' | '.join(by_name)}")
        return _decode(by_name[one_of(given.get(tag), list(by_name), join(where, tag))], value, where, unknown, meta)
    for member in members:
        try:
            return _decode(member, value, where, unknown, meta)
        except FieldError:
            continue
    raise FieldError(where, shown(value), " or ".join(getattr(member, "__name__", str(member)) for member in members))


def union_tag(members: list[Any]) -> str:
    """The field that tells the members of a union of dataclasses apart: the one that is a Literal in all of them."""
    for name, kind in hints(members[0]).items():
        if typing.get_origin(kind) is Literal and all(
            typing.get_origin(hints(member).get(name)) is Literal for member in members
        ):
            return name
    raise TypeError(f"no Literal field tells {members} apart")


def _decode_tuple(kind: Any, value: object, where: str, unknown: Unknown, meta: Described) -> tuple[object, ...]:
    items = expect(value, list, where, "a list")
    check_length(items, meta, where, "items")
    kinds = typing.get_args(kind)
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(items)
    if len(kinds) != len(items):
        raise FieldError(where, f"{len(items)} items", f"{len(kinds)} items")
    inner = dataclasses.replace(meta, max_length=None)
    return tuple(
        _decode(item_kind, item, f"{where}[{i}]", unknown, inner)
        for i, (item_kind, item) in enumerate(zip(kinds, items, strict=True))
    )
