"""YAML text of plain JSON values, always the same bytes for the same value.

A device has no YAML writer among its dependencies, and a generated file that is compared with its generator wants
one that never changes its mind about wrapping or quoting. Reading YAML is not done here.

    >>> value = {"address": "{base}/{id}/meta", "qos": 1, "tags": [], "steps": [{"retain": True}, "on"]}
    >>> print(yaml_text(value), end="")
    address: "{base}/{id}/meta"
    qos: 1
    tags: []
    steps:
      - retain: true
      - "on"
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from edge_models.fields import JsonValue

_PLAIN = re.compile(r"[A-Za-z_$][A-Za-z0-9_./,;'()-]*( [A-Za-z0-9_./,;'()-]+)*")  # no colon, no hash, no digit first
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")  # JSON lets them stand, YAML does not
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})  # YAML 1.1 reads these as values


def yaml_text(value: JsonValue) -> str:
    """The block form of a mapping or list, ending with a newline."""
    return "\n".join(_block(value)) + "\n"


def _block(value: JsonValue) -> Iterator[str]:
    """Lines without indentation of their own; a value that fits on one line is a single line."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            lines = list(_block(item))
            if isinstance(item, (dict, list)) and item:
                yield f"{_scalar(key)}:"
                yield from (f"  {line}" for line in lines)
            else:
                yield f"{_scalar(key)}: {lines[0]}"
    elif isinstance(value, list) and value:
        for item in value:
            first, *rest = _block(item)
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)
    else:
        yield _scalar(value)


def _scalar(value: JsonValue) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)  # JSON's scalars and its empty {} and [] are YAML's
    if isinstance(value, float) and "." not in text:
        return text.replace("e", ".0e")  # YAML 1.1 reads 1e-07 as a word
    return _ESCAPED.sub(lambda match: f"\\u{ord(match.group()):04x}", text)
