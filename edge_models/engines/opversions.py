"""Which operators in which versions each runtime loads, and whether a model needs newer ones.

``op_versions.json`` was measured by loading crafted files with one operator code each into the versions of the runtimes
that it names: for each operator its number in the schema and the highest version that loads, 0 for none. A file's own
``min_runtime_version`` is wrong too often to be used. Custom operators are called ``CUSTOM:their name``.

No numpy: the supervisor refuses what cannot run before it downloads it.

    >>> too_new({"FULLY_CONNECTED": 12, "ADD": 2}, "tflite-runtime")
    ['FULLY_CONNECTED version 12, tflite-runtime 2.14.0 loads up to 10']
    >>> too_new({"DILATE": 1}, "tflite-runtime")
    ['DILATE version 1, tflite-runtime 2.14.0 has no such operator']
    >>> too_new({"FULLY_CONNECTED": 12}, "ai-edge-litert")
    []
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CUSTOM = "CUSTOM:"
"""Prefix of the name of a custom operator."""


def op_limits() -> dict[str, dict[str, int]]:
    """The highest version of each operator that each runtime loads; operators that it lacks are left out."""
    document = _document()
    return {
        runtime: {name: limits[i] for name, (_, *limits) in document["ops"].items() if limits[i]}
        | {CUSTOM + name: 1 for name in document["custom"][runtime]}
        for i, runtime in enumerate(document["runtimes"])
    }


def measured_versions() -> dict[str, str]:
    """The version of each runtime that the limits were measured on."""
    return dict(_document()["runtimes"])


def op_name(number: int) -> str:
    """Name of a built-in operator by its number in the schema, ``OP_n`` if it is newer than the table."""
    return _names().get(number, f"OP_{number}")


def too_new(ops: Mapping[str, int], runtime: str, version: str | None = None) -> list[str]:
    """What of ``ops`` a runtime does not load, one phrase for each operator and one for all custom ones together.

    Empty when it loads all.

    Args:
        ops: Highest version of each operator that a model needs.
        runtime: Name of the distribution; one that was never measured is judged by nobody but itself.
        version: Of the runtime at hand. One that is newer than the measured one loads at least what that did, and is
            left to judge for itself.
    """
    measured = measured_versions().get(runtime)
    if measured is None or (version is not None and _parts(version) > _parts(measured)):
        return []
    limits, label = op_limits()[runtime], f"{runtime} {version or measured}"
    newer = {name: needed for name, needed in ops.items() if needed > limits.get(name, 0)}
    custom = [name.removeprefix(CUSTOM) for name in newer if name.startswith(CUSTOM)]
    builtin = [
        f"{name} version {needed}, {label} "
        + (f"loads up to {limits[name]}" if name in limits else "has no such operator")
        for name, needed in newer.items()
        if not name.startswith(CUSTOM)
    ]
    if not custom:
        return builtin
    return [*builtin, f"custom operator{'s' * (len(custom) > 1)} {', '.join(custom)}, unknown to {label}"]


def _parts(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: enough to order releases."""
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3])


@functools.cache
def _document() -> dict[str, Any]:
    """The table; not through importlib.resources, which costs the supervisor three compressors."""
    document: dict[str, Any] = json.loads(Path(__file__).with_name("op_versions.json").read_text(encoding="utf-8"))
    return document


@functools.cache
def _names() -> dict[int, str]:
    return {number: name for name, (number, *_) in _document()["ops"].items()}
