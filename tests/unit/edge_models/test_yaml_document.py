"""What people write in YAML means what they see."""

from __future__ import annotations

import pytest

from edge_models.errors import FieldError
from edge_models.yaml_document import parse_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("2E+4", 20000.0),
        ("-1.5e300", -1.5e300),
        ("1.5", 1.5),
        ("12", 12),
        ("'1e3'", "1e3"),
        ("1e3x", "1e3x"),
        ("1.0.2", "1.0.2"),
        ("on", True),
        ("~", None),
        ("[1e2, a]", [100.0, "a"]),
    ],
)
def test_plain_values(text: str, value: object) -> None:
    found = parse_yaml(f"key: {text}")

    assert found == {"key": value}
    assert isinstance(found, dict)
    assert type(found["key"]) is type(value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: {c: 1, d: 2, c: 3}", "c: found the key again in line 2, expected it once"),
        ("a: 1\n'a': 2", "a: found the key again in line 2"),
        ("a: [", "found what is not YAML (while parsing a flow node"),
        (b"a: \xff", "found what is not YAML ("),
        ("when: 2024-02-31", "found what is not YAML (day is out of range for month)"),
        ("? [a]\n: 1", "found what is not YAML (while constructing a mapping"),
        ("!!python/object:os.system {}", "found what is not YAML (could not determine a constructor"),
        ("[" * 3000 + "]" * 3000, "found what is not YAML (maximum recursion depth"),
    ],
)
def test_what_is_wrong_is_one_line(text: str, said: str) -> None:
    with pytest.raises(FieldError) as caught:
        parse_yaml(text)

    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_a_merged_key_may_be_given_again() -> None:
    found = parse_yaml("base: &base {a: 1, b: 1}\nmine: {<<: *base, b: 2}")

    assert found == {"base": {"a": 1, "b": 1}, "mine": {"a": 1, "b": 2}}
