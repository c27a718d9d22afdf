"""JSON Schema 2020-12 of a message, from the types and bounds of its dataclass.

A payload validates exactly when ``edge_models.wire.codec`` accepts it, except for three rules that a schema cannot
say: a day that no calendar has, bytes that do not fit ``dtype`` and ``shape``, and the evidence that reason ``drift``
demands.
"""

# ruff: noqa: ANN401 - a type form (int | None, Literal["a"], tuple[X, ...]) has no static type of its own in 3.11

from __future__ import annotations

import dataclasses
import enum
import inspect
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING
from typing import Any, Literal, cast

from edge_models.fields import Described, JsonValue, description, encode, hints, plain
from edge_models.wire.codec import left_out
from edge_models.wire.values import RFC3339_UTC

Schema = dict[str, JsonValue]
DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SCALARS: dict[Any, str] = {bool: "boolean", int: "integer", float: "number", str: "string"}


def message_schema(kind: type) -> Schema:
    """The schema of one message, whole in itself."""
    definitions: dict[str, Schema] = {}
    body = _object(kind, definitions)
    schema: Schema = {
        "$schema": DIALECT,
        "$id": f"urn:driftline:{schema_file(kind).removesuffix('.json')}",
        "title": kind.__name__,
        **body,
    }
    if definitions:
        schema["$defs"] = {name: cast("JsonValue", definitions[name]) for name in sorted(definitions)}
    return schema


def schema_file(kind: type) -> str:
    """Name of the file that holds a message's schema.

    >>> from edge_models.wire.drift import DriftReport
    >>> schema_file(DriftReport)
    'drift-report.json'
    """
    name = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in kind.__name__)
    return f"{name.lstrip('-')}.json"


def first_paragraph(kind: type) -> str:
    """A class's docstring up to its first empty line, on one line."""
    return " ".join(inspect.getdoc(kind).split("\n\n")[0].split()) if kind.__doc__ else ""  # type: ignore[union-attr]


def _object(kind: type, definitions: dict[str, Schema]) -> Schema:
    fields = dataclasses.fields(kind)
    optional = left_out(kind)
    properties = {field.name: _property(field, hints(kind)[field.name], definitions) for field in fields}
    for name in optional:
        properties[name] = _without_null(properties[name])
    schema: Schema = {"description": first_paragraph(kind), "type": "object"}
    required: list[JsonValue] = [
        field.name for field in fields if field.default is MISSING and field.default_factory is MISSING
    ]
    if required:
        schema["required"] = required
    schema["properties"] = cast("JsonValue", properties)
    if optional:
        schema["additionalProperties"] = False
    return schema


def _property(field: dataclasses.Field[Any], kind: Any, definitions: dict[str, Schema]) -> Schema:
    meta = description(field)
    schema: Schema = {"description": meta.doc, **_schema(kind, meta, definitions)}
    if field.default is not MISSING:
        schema["default"] = encode(field.default)
    elif field.default_factory is not MISSING:
        schema["default"] = encode(field.default_factory())
    return schema


def _without_null(schema: Schema) -> Schema:
    kinds = schema.get("type")
    narrowed = {key: item for key, item in schema.items() if key != "default"}
    if isinstance(kinds, list):
        narrowed["type"] = next(kind for kind in kinds if kind != "null")
    return narrowed


def _schema(kind: Any, meta: Described, definitions: dict[str, Schema]) -> Schema:
    kind = plain(kind)
    origin = typing.get_origin(kind)
    if dataclasses.is_dataclass(kind):
        name = cast("type", kind).__name__
        if name not in definitions:
            definitions[name] = _object(cast("type", kind), definitions)
        return {"$ref": f"#/$defs/{name}"}
    if origin in (typing.Union, types.UnionType):
        return _union(typing.get_args(kind), meta, definitions)
    if origin is Literal:
        return {"enum": list(typing.get_args(kind))}
    if isinstance(kind, type) and issubclass(kind, enum.StrEnum):
        return {"type": "string", "enum": [member.value for member in kind]}
    if origin in (tuple, dict, Mapping):
        return _container(kind, meta, definitions)
    return _scalar(kind, meta)


def _union(members: tuple[Any, ...], meta: Described, definitions: dict[str, Schema]) -> Schema:
    schemas = [_schema(member, meta, definitions) for member in members if member is not type(None)]
    nullable = len(schemas) < len(members)
    if len(schemas) > 1:
        kinds: list[JsonValue] = [schema["type"] for schema in schemas]  # open scalars; other unions have no type yet
        return {"type": kinds + (["null"] if nullable else [])}
    (schema,) = schemas
    if not nullable:
        return schema
    if "type" not in schema:
        return {"anyOf": [cast("JsonValue", schema), {"type": "null"}]}
    schema["type"] = [schema["type"], "null"]
    if isinstance(values := schema.get("enum"), list):
        schema["enum"] = [*values, None]
    return schema


def _container(kind: Any, meta: Described, definitions: dict[str, Schema]) -> Schema:
    inner = dataclasses.replace(meta, max_length=None)
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is tuple:
        if arguments[-1] is not Ellipsis:
            raise TypeError(f"{kind!r} has no schema here, only tuples of any length")
        schema: Schema = {"type": "array", "items": cast("JsonValue", _schema(arguments[0], inner, definitions))}
        return schema if meta.max_length is None else {**schema, "maxItems": meta.max_length}
    values = _schema(arguments[1], inner, definitions)
    schema = {"type": "object", "additionalProperties": cast("JsonValue", values)}
    return schema if meta.max_length is None else {**schema, "maxProperties": meta.max_length}


def _scalar(kind: Any, meta: Described) -> Schema:
    if kind not in _SCALARS:
        raise TypeError(f"{kind!r} has no schema here")
    schema: Schema = {"type": _SCALARS[kind]}
    if kind is str:
        if meta.pattern is not None:
            schema["pattern"] = f"^(?:{meta.pattern})$"
        if meta.pattern == RFC3339_UTC:
            schema["format"] = "date-time"
        if meta.max_length is not None:
            schema["maxLength"] = meta.max_length
    elif kind is not bool:
        schema |= {name: bound for name, bound in (("minimum", meta.ge), ("maximum", meta.le)) if bound is not None}
    return schema
