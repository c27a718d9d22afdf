"""Hypothesis strategies for payloads of any message class, made from its fields: right ones, and nearly right ones."""

from __future__ import annotations

import base64
import dataclasses
import enum
import math
import types
import typing
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from hypothesis import strategies as st

from edge_models.fields import Described, description, hints, plain
from edge_models.tensors import DTYPE_BYTES
from edge_models.wire import SampleMessage
from edge_models.wire.asyncapi import message_kinds
from edge_models.wire.codec import left_out
from edge_models.wire.values import RFC3339_UTC

MAX_TEXT = 12  # keeps whole payloads below their channels' limits
MAX_ITEMS = 3

KINDS = message_kinds()
json_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=MAX_TEXT)
)
json_values = (
    json_scalars
    | st.lists(json_scalars, max_size=MAX_ITEMS)
    | st.dictionaries(st.text(max_size=MAX_TEXT), json_scalars, max_size=MAX_ITEMS)
)


def payloads(kind: type) -> st.SearchStrategy[dict[str, Any]]:
    """JSON values that are messages of ``kind``; optional fields are left out at random."""
    if kind is SampleMessage:
        return samples()
    return _objects(kind)


@st.composite
def samples(draw: st.DrawFn) -> dict[str, Any]:
    """Payloads of SampleMessage, whose bytes fit dtype and shape."""
    payload = draw(_objects(SampleMessage))
    payload["shape"] = draw(st.lists(st.integers(1, 4), max_size=3))
    size = math.prod(payload["shape"]) * DTYPE_BYTES[payload["dtype"]]
    payload["x"] = base64.b64encode(draw(st.binary(min_size=size, max_size=size))).decode()
    return payload


@st.composite
def nearly_right(draw: st.DrawFn, kind: type) -> dict[str, Any]:
    """Payloads of ``kind`` in which one value was replaced, removed or added."""
    payload = draw(payloads(kind))
    target, name = draw(st.sampled_from(_places(payload, kind)))
    if draw(st.booleans()):
        target.pop(name, None)
    else:
        target[name] = draw(json_values)
    return payload


def _places(payload: dict[str, Any], kind: type) -> list[tuple[dict[str, Any], str]]:
    names = [field.name for field in dataclasses.fields(kind)]
    inner = [(value, key) for value in payload.values() if isinstance(value, dict) for key in [*value, "unknown"]]
    return [(payload, name) for name in [*names, "unknown"]] + inner


@st.composite
def _objects(draw: st.DrawFn, kind: type) -> dict[str, Any]:
    payload: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required or draw(st.booleans()):
            payload[field.name] = draw(_values(hints(kind)[field.name], description(field)))
    for name in left_out(kind):
        if name in payload and payload[name] is None:
            del payload[name]
    if payload.get("reason") == "drift":
        needed = {field.name: field for field in dataclasses.fields(kind)}
        for name in ("bundle", "evidence"):
            wanted = typing.get_args(hints(kind)[name])[0]
            payload[name] = draw(_values(wanted, description(needed[name])))
    return payload


def _values(kind: Any, meta: Described) -> st.SearchStrategy[Any]:
    kind = plain(kind)
    origin = typing.get_origin(kind)
    if dataclasses.is_dataclass(kind):
        return _objects(typing.cast("type", kind))
    if origin in (typing.Union, types.UnionType):
        return st.one_of([_values(member, meta) for member in typing.get_args(kind)])
    if origin is Literal:
        return st.sampled_from(typing.get_args(kind))
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return st.sampled_from([member.value for member in kind])
    if origin is tuple:
        return st.lists(_values(typing.get_args(kind)[0], meta), max_size=MAX_ITEMS)
    if origin in (dict, Mapping):
        return st.dictionaries(st.text(max_size=MAX_TEXT), _values(typing.get_args(kind)[1], meta), max_size=MAX_ITEMS)
    return _scalars(kind, meta)


def _scalars(kind: Any, meta: Described) -> st.SearchStrategy[Any]:
    if kind is type(None):
        return st.none()
    if kind is bool:
        return st.booleans()
    if kind is int:
        return st.integers(_whole(meta.ge), _whole(meta.le))
    if kind is float:
        return st.floats(meta.ge, meta.le, allow_nan=False, allow_infinity=False) | st.integers(
            _whole(meta.ge), _whole(meta.le) or 2**70
        )
    if meta.pattern == RFC3339_UTC:
        return st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
            lambda time: time.isoformat().replace("+00:00", "Z")
        )
    if meta.pattern is not None:
        return st.from_regex(meta.pattern, fullmatch=True)
    return st.text(max_size=min(MAX_TEXT, meta.max_length or MAX_TEXT))


def _whole(bound: float | None) -> int | None:
    return None if bound is None else math.ceil(bound)
