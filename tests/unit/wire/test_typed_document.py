"""The decoder below the messages: what JSON can say that Python would misread."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_models.errors import FieldError
from edge_models.fields import canonical_json, decode, decode_json, described, encode
from edge_models.json_text import parse_json


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    kind: Literal["ping"] = described("Tag.", default="ping")
    n: int = described("Count.", ge=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pong:
    kind: Literal["pong"] = described("Tag.")
    names: tuple[str, ...] = described("Names.", default=(), max_length=2)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (int, 3.0, 3),
        (float, 3, 3.0),
        (Literal[1, 2], 2.0, 2),
        (Colour, "red", Colour.RED),
        (bool | int | str | None, True, True),
        (bool | int | str | None, "x", "x"),
        (dict[str, int], {"a": 1}, {"a": 1}),
        (Ping | Pong, {"kind": "pong", "names": ["a", "b"]}, Pong(kind="pong", names=("a", "b"))),
    ],
)
def test_value_is_read_as_its_type(kind: Any, value: object, expected: object) -> None:
    found: object = decode(kind, value)

    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (int, True),
        (int, 1.5),
        (int, "1"),
        (int, None),
        (float, False),
        (float, 10**400),
        (float, float("inf")),
        (float, float("nan")),
        (Literal[1], True),
        (Colour, "blue"),
        (str, "\udc00"),
        (dict[str, int], {"\udc00": 1}),
        (dict[str, int], [1]),
        (Pong, {"kind": "pong", "names": ["a", "b", "c"]}),
        (Ping | Pong, {"kind": "pang"}),
        (Ping | Pong, {}),
        (Ping | Pong, 3),
    ],
)
def test_wrong_value_is_refused(kind: Any, value: object) -> None:
    with pytest.raises(FieldError):
        decode(kind, value)


def test_bound_on_a_mapping_counts_its_keys_and_not_the_letters_of_its_values() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Labels:
        tags: dict[str, str] = described("Tags.", max_length=2)

    assert decode(Labels, {"tags": {"site": "greenhouse"}}).tags == {"site": "greenhouse"}
    with pytest.raises(FieldError, match="tags: found 3 keys, expected at most 2 keys"):
        decode(Labels, {"tags": {"a": "", "b": "", "c": ""}})


def test_unknown_key_is_an_error_only_where_people_write_the_document() -> None:
    value = {"n": 1, "typo": 2}

    assert decode(Ping, value).n == 1
    with pytest.raises(FieldError, match=r"mqtt\.typo: found an unknown key, expected one of kind, n"):
        decode(Ping, value, where="mqtt", unknown="refuse")


def test_error_names_the_place_the_value_and_what_is_allowed() -> None:
    with pytest.raises(FieldError) as caught:
        decode(Ping, {"n": -1}, where="jobs[2]")

    assert (caught.value.where, caught.value.found) == ("jobs[2].n", "-1")
    assert str(caught.value) == "jobs[2].n: found -1, expected an integer of at least 0"


@given(st.integers(0, 10**30))
def test_document_reads_back(n: int) -> None:
    assert decode_json(Ping, canonical_json(Ping(n=n)), max_bytes=100) == Ping(n=n)


def test_canonical_form_is_sorted_tight_utf8_with_a_final_newline() -> None:
    assert canonical_json({"b": 1, "a": "ü"}) == '{"a":"ü","b":1}\n'.encode()


@pytest.mark.parametrize("value", [float("nan"), object(), {"x": float("inf")}])
def test_what_has_no_json_form_is_not_encoded(value: object) -> None:
    with pytest.raises((ValueError, TypeError), match="has no JSON form"):
        encode(value)


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    try:
        parse_json(data, max_bytes=100)
    except FieldError:
        return

    assert len(data) <= 100


@given(st.recursive(st.text(max_size=5), lambda inner: st.lists(inner, max_size=2), max_leaves=8), st.integers(1, 6))
def test_depth_is_what_the_parser_would_build(value: object, max_depth: int) -> None:
    def depth(item: object) -> int:
        return 1 + max((depth(inner) for inner in item), default=0) if isinstance(item, list) else 0

    data = canonical_json(value)

    if depth(value) <= max_depth:
        assert parse_json(data, max_bytes=1000, max_depth=max_depth) == value
    else:
        with pytest.raises(FieldError, match="levels of nesting"):
            parse_json(data, max_bytes=1000, max_depth=max_depth)


@pytest.mark.parametrize(
    "data", [b'"' * 60_000, b'\\"' * 30_000, b'"\\' * 30_000, b'"a' + b"\\\\" * 30_000, b"[]" * 30_000]
)
@pytest.mark.timeout(20)  # quadratic work would take minutes
def test_text_made_to_slow_the_parser_down_is_refused(data: bytes) -> None:
    with pytest.raises(FieldError):
        parse_json(data, max_bytes=65536)
