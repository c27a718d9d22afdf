"""The one decoder of manifests, messages and configurations."""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, NewType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_models.errors import FieldError
from edge_models.fields import canonical_json, decode, decode_json, described, encode

Name = NewType("Name", str)


class Colour(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Circle:
    op: Literal["circle"] = described("Name.", default="circle")
    radius: float = described("Radius.", ge=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    op: Literal["box", "oblong"] = described("Name.", default="box")
    sides: tuple[int, int] = described("Two sides.")

    def __post_init__(self) -> None:
        if self.sides[0] > self.sides[1]:
            raise ValueError("sides in rising order")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    name: Name = described("Name of it.", pattern=r"[a-z]+", max_length=5)
    count: int = described("How many.", default=1, ge=1, le=10)
    colour: Colour = described("Colour.", default=Colour.RED)
    note: str | None = described("Remark.", default=None)
    shapes: tuple[Circle | Box, ...] = described("Shapes.", default=(), max_length=2)
    weights: dict[str, float] = described("Weights.", default_factory=dict, max_length=2)
    flag: bool = described("Flag.", default=False)
    limit: int | str = described("Limit.", default=0)
    extra: object = described("Anything.", default=None)


FULL = Drawing(
    name=Name("abc"),
    count=3,
    colour=Colour.BLUE,
    note="x",
    shapes=(Circle(radius=1.5), Box(sides=(1, 2))),
    weights={"a": 0.5},
    flag=True,
    limit="none",
)


def test_a_document_is_read_back_as_it_was_written() -> None:
    assert decode_json(Drawing, canonical_json(FULL), max_bytes=1000) == FULL


def test_defaults_stand_in_for_what_the_document_leaves_out() -> None:
    assert decode(Drawing, {"name": "abc"}) == Drawing(name=Name("abc"))


@pytest.mark.parametrize(
    ("changes", "where", "expected"),
    [
        ({"name": 3}, "name", "a string"),
        ({"name": "ABC"}, "name", "like"),
        ({"name": "abc\n"}, "name", "like"),
        ({"name": "abcdef"}, "name", "at most 5 characters"),
        ({"count": 0}, "count", "from 1 to 10"),
        ({"count": 11}, "count", "from 1 to 10"),
        ({"count": 1.5}, "count", "integer"),
        ({"count": True}, "count", "integer"),
        ({"count": "3"}, "count", "integer"),
        ({"count": None}, "count", "integer"),
        ({"count": 10**400}, "count", "from 1 to 10"),
        ({"colour": "green"}, "colour", "one of red, blue"),
        ({"colour": ["red"]}, "colour", "one of red, blue"),
        ({"note": 5}, "note", "a string"),
        ({"note": "\ud800"}, "note", "surrogate"),
        ({"shapes": {"op": "circle"}}, "shapes", "a list"),
        ({"shapes": [{"op": "circle", "radius": 1}] * 3}, "shapes", "at most 2 items"),
        ({"shapes": [{"op": "star"}]}, "shapes[0].op", "one of circle, box"),
        ({"shapes": [{"radius": 1}]}, "shapes[0].op", "one of circle, box"),
        ({"shapes": ["circle"]}, "shapes[0]", "a mapping with op: circle | box"),
        ({"shapes": [{"op": "circle"}]}, "shapes[0].radius", "Radius."),
        ({"shapes": [{"op": "circle", "radius": -1}]}, "shapes[0].radius", "at least 0"),
        ({"shapes": [{"op": "circle", "radius": math.nan}]}, "shapes[0].radius", "finite"),
        ({"shapes": [{"op": "circle", "radius": math.inf}]}, "shapes[0].radius", "finite"),
        ({"shapes": [{"op": "circle", "radius": 10**400}]}, "shapes[0].radius", "finite"),
        ({"shapes": [{"op": "box", "sides": [1]}]}, "shapes[0].sides", "2 items"),
        ({"shapes": [{"op": "box", "sides": [2, 1]}]}, "shapes[0]", "sides in rising order"),
        ({"weights": [1]}, "weights", "a mapping"),
        ({"weights": {"a": "x"}}, "weights.a", "finite number"),
        ({"weights": {1: 1}}, "weights", "string"),
        ({"weights": {"a": 1, "b": 1, "c": 1}}, "weights", "at most 2 keys"),
        ({"flag": 1}, "flag", "true or false"),
        ({"limit": 1.5}, "limit", "int or str"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place_and_what_may_stand_there(
    changes: Mapping[str, object], where: str, expected: str
) -> None:
    with pytest.raises(FieldError) as caught:
        decode(Drawing, {"name": "abc", **changes})

    assert caught.value.where == where
    assert expected in caught.value.expected
    assert len(str(caught.value)) < 300


def test_a_missing_field_is_named_with_its_description() -> None:
    with pytest.raises(FieldError, match="name: found nothing, expected Name of it"):
        decode(Drawing, {})


def test_something_else_than_a_mapping_is_refused() -> None:
    others: tuple[object, ...] = (None, [], "x", 3)
    for value in others:
        with pytest.raises(FieldError, match="a mapping with name, count"):
            decode(Drawing, value)


@pytest.mark.parametrize("name", ["box", "oblong"])
def test_a_member_of_a_union_may_have_several_names(name: str) -> None:
    value = {"name": "abc", "shapes": [{"op": name, "sides": [1, 2]}]}

    (shape,) = decode(Drawing, value).shapes

    assert (type(shape), shape.op) == (Box, name)


def test_unknown_fields_are_ignored_on_the_wire_and_refused_in_configurations() -> None:
    value: dict[str, object] = {"name": "abc", "nmae": 1, "shapes": [{"op": "circle", "radius": 1, "colour": 2}]}

    assert decode(Drawing, value).shapes == (Circle(radius=1),)
    with pytest.raises(FieldError, match="nmae: found an unknown key, expected one of name, count"):
        decode(Drawing, value, unknown="refuse")
    del value["nmae"]
    with pytest.raises(FieldError, match=r"mqtt.shapes\[0\].colour: found an unknown key"):
        decode(Drawing, value, where="mqtt", unknown="refuse")


@pytest.mark.parametrize(
    "data", [b"", b"{", b"\xff\xfe", b'{"name": NaN}', b"[" * 900, b"1" * 900, b"\x00", b'{"name": "\xc3("}']
)
def test_bytes_that_are_no_json_are_refused(data: bytes) -> None:
    with pytest.raises(FieldError):
        decode_json(Drawing, data, max_bytes=1000)


def test_bytes_beyond_the_bound_are_refused_unread() -> None:
    with pytest.raises(FieldError, match="at most 10 bytes"):
        decode_json(Drawing, b"[" * 11, max_bytes=10)


def test_canonical_json_is_sorted_dense_and_ends_with_a_newline() -> None:
    assert canonical_json({"b": 1, "a": [1.5, None, "é"]}) == '{"a":[1.5,null,"é"],"b":1}\n'.encode()


def test_what_has_no_json_form_is_a_callers_mistake() -> None:
    with pytest.raises(ValueError, match="no JSON form"):
        canonical_json({"a": math.nan})
    with pytest.raises(TypeError, match="no JSON form"):
        canonical_json({"a": {1, 2}})


DRAWINGS = st.builds(
    Drawing,
    name=st.from_regex(r"[a-z]{1,5}", fullmatch=True).map(Name),
    count=st.integers(1, 10),
    colour=st.sampled_from(Colour),
    note=st.none() | st.text(max_size=20),
    shapes=st.lists(
        st.builds(Circle, op=st.just("circle"), radius=st.floats(0, 1e300))
        | st.builds(Box, op=st.just("box"), sides=st.tuples(st.integers(-9, 0), st.integers(0, 9))),
        max_size=2,
    ).map(tuple),
    weights=st.dictionaries(st.text(max_size=5), st.floats(allow_nan=False, allow_infinity=False), max_size=2),
    flag=st.booleans(),
    limit=st.integers(-(1 << 70), 1 << 70) | st.text(max_size=5),
    extra=st.none() | st.booleans() | st.text(max_size=3),
)


@given(DRAWINGS)
def test_every_document_survives_writing_and_reading(drawing: Drawing) -> None:
    data = canonical_json(drawing)

    read = decode_json(Drawing, data, max_bytes=10_000)

    assert read == drawing
    assert canonical_json(read) == data


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(Drawing.__dataclass_fields__)), JSON)
def test_any_json_value_in_any_field_is_taken_or_refused_but_never_crashes(field: str, value: object) -> None:
    try:
        drawing = decode(Drawing, {"name": "abc", field: value})
    except FieldError:
        return

    assert isinstance(drawing, Drawing)


@given(st.binary(max_size=60))
def test_any_bytes_are_taken_or_refused_but_never_crash(data: bytes) -> None:
    with pytest.raises(FieldError):
        decode_json(Drawing, data + b"!", max_bytes=100)


def test_encode_keeps_fields_that_are_none() -> None:
    assert json.loads(canonical_json(replace(FULL, note=None)))["note"] is None
    assert encode((Colour.RED, {"a": Circle(radius=0)})) == ["red", {"a": {"op": "circle", "radius": 0}}]
