"""The JSON Schemas say the same as the decoder."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from edge_models.errors import FieldError
from edge_models.wire import Evidence, ModelRequest, UpdateEntity, decode_message, encode_message
from edge_models.wire.channels import CHANNELS
from edge_models.wire.schema import message_schema
from tests.unit.wire.payloads import KINDS, nearly_right, payloads

CROSS_FIELD = "values that do not fit together"
LIMITS = {channel.message: channel.max_bytes for channel in CHANNELS}
FORMATS = FormatChecker(formats=())


def is_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value) is not None


FORMATS.checks("date-time", raises=ValueError)(is_time)


def ecma_pattern(_: Any, pattern: str, instance: object, __: Any) -> Iterator[ValidationError]:
    # In ECMA-262, whose expressions JSON Schema uses, $ does not match before a final newline; in Python it does.
    if isinstance(instance, str) and not re.search(pattern.removesuffix("$") + r"\Z", instance):
        yield ValidationError(f"{instance!r} does not match {pattern}")


Validator = extend(Draft202012Validator, {"pattern": ecma_pattern})
VALIDATORS = {kind: Validator(message_schema(kind), format_checker=FORMATS) for kind in KINDS}


def fits(kind: type, payload: dict[str, Any]) -> bool:
    return len(json.dumps(payload).encode()) <= LIMITS[kind]


def verdict(kind: type, payload: dict[str, Any]) -> tuple[bool, str]:
    try:
        decode_message(kind, json.dumps(payload).encode())
    except FieldError as exc:
        return False, exc.found
    return True, ""


@pytest.mark.parametrize("kind", KINDS)
def test_schema_is_a_schema(kind: type) -> None:
    Draft202012Validator.check_schema(message_schema(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_every_property_is_described(kind: type) -> None:
    schema = message_schema(kind)

    objects: Any = [schema, *schema.get("$defs", {}).values()]  # type: ignore[union-attr]
    for body in objects:
        assert body["description"]
        assert all(item["description"].endswith(".") for item in body["properties"].values())


@given(data=st.data())
@settings(max_examples=250)
def test_right_payloads_are_accepted_and_valid(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(KINDS))
    payload = data.draw(payloads(kind).filter(lambda value: fits(kind, value)))

    accepted, found = verdict(kind, payload)

    assert accepted, found
    VALIDATORS[kind].validate(payload)


@given(data=st.data())
@settings(max_examples=250)
def test_decoder_and_schema_agree_on_nearly_right_payloads(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(KINDS))
    payload = data.draw(nearly_right(kind).filter(lambda value: fits(kind, value)))

    accepted, found = verdict(kind, payload)

    assert VALIDATORS[kind].is_valid(payload) is accepted or found == CROSS_FIELD


@given(data=st.data())
@settings(max_examples=120)
def test_what_is_sent_is_valid_and_comes_back_equal(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(KINDS))
    payload = data.draw(payloads(kind).filter(lambda value: fits(kind, value)))
    message: object = decode_message(kind, json.dumps(payload).encode())

    try:
        sent = encode_message(message)
    except FieldError:
        assume(False)  # defaults made it too long

    VALIDATORS[kind].validate(json.loads(sent))
    assert decode_message(kind, sent) == message


@pytest.mark.parametrize(
    ("text", "is_valid"),
    [
        ("2026-11-22T08:30:00Z", True),
        ("2026-11-22T08:30:00.250Z", True),
        ("2026-11-22T08:30:00+00:00", False),
        ("2026-11-22 08:30:00Z", False),
        ("2026-02-30T08:30:00Z", False),
        ("0000-01-01T00:00:00Z", False),
        ("2026-11-22T08:30:60Z", False),
        ("2026-11-22T08:30:00Z\n", False),
        ("٢٠٢٦-11-22T08:30:00Z", False),
        ("now", False),
    ],
)
def test_times_are_rfc_3339_in_utc(text: str, is_valid: bool) -> None:
    payload = {"ts": text, "rev": 1, "bundle": "a" * 64}
    kind = next(kind for kind in KINDS if kind.__name__ == "Desired")

    assert verdict(kind, payload)[0] is is_valid
    assert VALIDATORS[kind].is_valid(payload) is is_valid


def test_schema_of_the_update_entity_has_exactly_eight_keys() -> None:
    schema: Any = message_schema(UpdateEntity)

    assert len(schema["properties"]) == 8
    assert schema["additionalProperties"] is False
    assert "required" not in schema


def test_nested_message_is_defined_once_and_referred_to() -> None:
    schema: Any = message_schema(ModelRequest)

    assert schema["properties"]["evidence"]["anyOf"] == [{"$ref": f"#/$defs/{Evidence.__name__}"}, {"type": "null"}]
    assert schema["$defs"]["Evidence"]["required"] == ["profile", "sketch", "n"]
