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
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING
from typing import Any, Literal, TypeVar, cast

from edge_models.errors import FieldError
from edge_models.json_text import parse_json

T = TypeVar("T")
JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]
Unknown = Literal["ignore", "refuse"]

_SURROGATE = re.compile("[\ud800-\udfff]")  # JSON can escape one alone; nothing can then store or send it
_SHOWN = 60  # characters of a wrong value that an error message repeats


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What a field's metadata says beyond its type: one sentence, and bounds that the decoder enforces."""

    doc: str
    ge: float | None = None
    le: float | None = None
    pattern: str | None = None
    max_length: int | None = None


def described(
    doc: str,
    *,
    default: Any = MISSING,
    default_factory: Any = MISSING,
    ge: float | None = None,
    le: float | None = None,
    pattern: str | None = None,
    max_length: int | None = None,
) -> Any:
    """Declare a dataclass field with its one-sentence doc and its bounds.

    Args:
        doc: What the field says, with its unit where its name has none.
        default: Value when the document leaves the field out; without it the field is required.
        default_factory: As for ``dataclasses.field``.
        ge: Smallest allowed number.
        le: Largest allowed number.
        pattern: Regular expression that a string must match as a whole.
        max_length: Largest number of characters or items.
    """
    meta = Described(doc=doc, ge=ge, le=le, pattern=pattern, max_length=max_length)
    return dataclasses.field(default=default, default_factory=default_factory, metadata={"described": meta})


def description(field: dataclasses.Field[Any]) -> Described:
    """The field's metadata; an empty one where the field was declared plainly."""
    return cast("Described", field.metadata.get("described", Described(doc="")))


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
        return _one_of(value, typing.get_args(kind), where)
    if origin is tuple:
        return _decode_tuple(kind, value, where, unknown, meta)
    if origin in (dict, Mapping):
        item_kind = typing.get_args(kind)[1]
        items = _expect(value, dict, where, "a mapping")
        _check_length(items, meta, where, "keys")
        inner = dataclasses.replace(meta, max_length=None)
        return {
            _decode_str(key, where, Described(doc="")): _decode(item_kind, item, _join(where, str(key)), unknown, inner)
            for key, item in items.items()
        }
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind(_one_of(value, [member.value for member in kind], where))
    scalar = _SCALARS.get(kind)
    if scalar is None:
        raise TypeError(f"{kind!r} cannot be decoded")
    return scalar(value, where, meta)


def _decode_dataclass(kind: type, value: object, where: str, unknown: Unknown) -> object:
    given = _expect(value, dict, where, f"a mapping with {', '.join(hints(kind))}")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    surplus = [key for key in given if key not in fields]
    if surplus and unknown == "refuse":
        raise FieldError(_join(where, str(surplus[0])), "an unknown key", f"one of {', '.join(fields)}")
    missing = [
        name
        for name, field in fields.items()
        if name not in given and field.default is MISSING and field.default_factory is MISSING
    ]
    if missing:
        raise FieldError(_join(where, missing[0]), "nothing", description(fields[missing[0]]).doc or "a value")
    arguments = {
        name: _decode(hints(kind)[name], given[name], _join(where, name), unknown, description(fields[name]))
        for name in fields
        if name in given
    }
    try:
        return kind(**arguments)
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
        by_name = {typing.get_args(hints(member)[tag])[0]: member for member in members}
        given = _expect(value, dict, where, f"a mapping with {tag}: {' | '.join(by_name)}")
        return _decode(by_name[_one_of(given.get(tag), list(by_name), _join(where, tag))], value, where, unknown, meta)
    for member in members:
        try:
            return _decode(member, value, where, unknown, meta)
        except FieldError:
            continue
    raise FieldError(where, _shown(value), " or ".join(getattr(member, "__name__", str(member)) for member in members))


def union_tag(members: list[Any]) -> str:
    """The field that tells the members of a union of dataclasses apart: the one that is a Literal in all of them."""
    for name, kind in hints(members[0]).items():
        if typing.get_origin(kind) is Literal and all(
            typing.get_origin(hints(member).get(name)) is Literal for member in members
        ):
            return name
    raise TypeError(f"no Literal field tells {members} apart")


def _decode_tuple(kind: Any, value: object, where: str, unknown: Unknown, meta: Described) -> tuple[object, ...]:
    items = _expect(value, list, where, "a list")
    _check_length(items, meta, where, "items")
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


def _decode_int(value: object, where: str, meta: Described) -> int:
    # JSON has one kind of number: 3.0 is an integer (JSON Schema 2020-12 Validation, section 6.1.1).
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not whole or not _inside(cast("float", value), meta):
        raise FieldError(where, _shown(value), "an integer" + _bounds(meta))
    return int(cast("float", value))


def _decode_float(value: object, where: str, meta: Described) -> float:
    number = math.nan
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf  # an integer of more than 308 digits
    if not math.isfinite(number) or not _inside(number, meta):
        raise FieldError(where, _shown(value), "a finite number" + _bounds(meta))
    return number


def _decode_bool(value: object, where: str, meta: Described) -> bool:  # noqa: ARG001 - one signature for all scalars
    return cast("bool", _expect(value, bool, where, "true or false"))


def _decode_str(value: object, where: str, meta: Described) -> str:
    text: str = _expect(value, str, where, "a string")
    if not text.isascii() and _SURROGATE.search(text):
        raise FieldError(where, _shown(text), "Unicode text without halves of surrogate pairs")
    _check_length(text, meta, where, "characters")
    if meta.pattern is not None and not re.fullmatch(meta.pattern, text):
        raise FieldError(where, _shown(text), f"a string like {meta.pattern}")
    return text


def _decode_any(value: object, where: str, meta: Described) -> object:  # noqa: ARG001 - one signature for all scalars
    return value


_SCALARS: dict[Any, Callable[[object, str, Described], object]] = {
    int: _decode_int,
    float: _decode_float,
    bool: _decode_bool,
    str: _decode_str,
    object: _decode_any,
}


def _expect(value: object, kind: type[Any], where: str, expected: str) -> Any:
    if not isinstance(value, kind):
        raise FieldError(where, _shown(value), expected)
    return value


def _one_of(value: object, allowed: Any, where: str) -> Any:
    for item in allowed:
        if value == item and isinstance(value, bool) is isinstance(item, bool):  # in Python True == 1
            return item
    raise FieldError(where, _shown(value), "one of " + ", ".join(str(item) for item in allowed))


def _check_length(value: Any, meta: Described, where: str, unit: str) -> None:
    if meta.max_length is not None and len(value) > meta.max_length:
        raise FieldError(where, f"{len(value)} {unit}", f"at most {meta.max_length} {unit}")


def _inside(value: float, meta: Described) -> bool:
    return (meta.ge is None or value >= meta.ge) and (meta.le is None or value <= meta.le)


def _bounds(meta: Described) -> str:
    low, high = (None if bound is None else f"{bound:g}" for bound in (meta.ge, meta.le))
    match (low, high):
        case (None, None):
            return ""
        case (_, None):
            return f" of at least {low}"
        case (None, _):
            return f" of at most {high}"
        case _:
            return f" from {low} to {high}"


def _shown(value: object) -> str:
    text = "null" if value is None else repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _join(where: str, name: str) -> str:
    shown = name if name.isprintable() and len(name) <= _SHOWN else _shown(name)
    return f"{where}.{shown}" if where else shown
