"""Numbers, texts and truth values of a document, each held against its bounds, and how a wrong one is described."""
# ruff: noqa: ANN401 - a value of a document may be anything until it has been looked at

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, cast

from edge_models.described import Described
from edge_models.errors import FieldError

_SURROGATE = re.compile("[\ud800-\udfff]")  # JSON can escape one alone; nothing can then store or send it
_SHOWN = 60  # characters of a wrong value that an error message repeats


def _decode_int(value: object, where: str, meta: Described) -> int:
    # JSON has one kind of number: 3.0 is an integer (JSON Schema 2020-12 Validation, section 6.1.1).
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not whole or not _inside(cast("float", value), meta):
        raise FieldError(where, shown(value), "an integer" + _bounds(meta))
    return int(cast("float", value))


def _decode_float(value: object, where: str, meta: Described) -> float:
    number = math.nan
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf  # an integer of more than 308 digits
    if not math.isfinite(number) or not _inside(number, meta):
        raise FieldError(where, shown(value), "a finite number" + _bounds(meta))
    return number


def _decode_bool(value: object, where: str, meta: Described) -> bool:  # noqa: ARG001 - one signature for all scalars
    return cast("bool", expect(value, bool, where, "true or false"))


def decode_str(value: object, where: str, meta: Described) -> str:
    """The text, of the right length and pattern."""
    text: str = expect(value, str, where, "a string")
    if not text.isascii() and _SURROGATE.search(text):
        raise FieldError(where, shown(text), "Unicode text without halves of surrogate pairs")
    check_length(text, meta, where, "characters")
    if meta.pattern is not None and not re.fullmatch(meta.pattern, text):
        raise FieldError(where, shown(text), f"a string like {meta.pattern}")
    return text


def _decode_any(value: object, where: str, meta: Described) -> object:  # noqa: ARG001 - one signature for all scalars
    return value


SCALARS: dict[Any, Callable[[object, str, Described], object]] = {
    int: _decode_int,
    float: _decode_float,
    bool: _decode_bool,
    str: decode_str,
    object: _decode_any,
}


def expect(value: object, kind: type[Any], where: str, expected: str) -> Any:
    """``value`` if it is of the type ``kind``."""
    if not isinstance(value, kind):
        raise FieldError(where, shown(value), expected)
    return value


def one_of(value: object, allowed: Any, where: str) -> Any:
    """The allowed item that equals ``value``."""
    for item in allowed:
        if value == item and isinstance(value, bool) is isinstance(item, bool):  # in Python True == 1
            return item
    raise FieldError(where, shown(value), "one of " + ", ".join(dict.fromkeys(str(item) for item in allowed)))


def check_length(value: Any, meta: Described, where: str, unit: str) -> None:
    """Refuse more ``unit`` than the bound allows."""
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


def shown(value: object) -> str:
    """A value as an error message repeats it, cut where it is long."""
    text = "null" if value is None else repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def join(where: str, name: str) -> str:
    """Path of the key ``name`` inside ``where``."""
    key = name if name.isprintable() and len(name) <= _SHOWN else shown(name)
    return f"{where}.{key}" if where else key
