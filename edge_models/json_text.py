"""JSON text from strangers: bounded in length and depth before the parser sees it.

>>> parse_json(b'{"rev": 3}', max_bytes=100)
{'rev': 3}
>>> parse_json(b"[" * 50, max_bytes=100)
Traceback (most recent call last):
edge_models.errors.FieldError: found more than 16 levels of nesting, expected at most 16
"""

from __future__ import annotations

import json
import re

from edge_models.errors import FieldError

MAX_DEPTH = 16  # a manifest needs 8; Python's own limit of 1000 is too late for whoever walks the value afterwards

# Strings first, so that brackets inside them do not count; possessive, so that no payload makes it quadratic.
_TOKENS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{]|[\]}]', re.DOTALL)


def parse_json(data: bytes, *, max_bytes: int, max_depth: int = MAX_DEPTH) -> object:
    """The value of one UTF-8 JSON document of at most ``max_bytes`` and ``max_depth`` levels, without NaN.

    Raises:
        FieldError: Too long, too deep, not UTF-8 or not JSON.
    """
    if len(data) > max_bytes:
        raise FieldError("", f"{len(data)} bytes", f"at most {max_bytes} bytes")
    _check_depth(data, max_depth)
    try:
        value: object = json.loads(data.decode("utf-8"), parse_constant=_refuse_constant)
    except (UnicodeDecodeError, ValueError, RecursionError) as exc:
        raise FieldError("", f"{len(data)} bytes that are not JSON ({exc})", "one UTF-8 JSON document") from exc
    return value


def _check_depth(data: bytes, max_depth: int) -> None:
    depth = 0
    for token in _TOKENS.finditer(data):
        match token.group()[:1]:
            case b"[" | b"{":
                depth += 1
            case b"]" | b"}":
                depth -= 1
        if depth > max_depth:
            raise FieldError("", f"more than {max_depth} levels of nesting", f"at most {max_depth}")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
