"""The names of a model's classes, from the files that models come with."""

from __future__ import annotations

import json
import re
from pathlib import Path

from converter.errors import InputFileError

MAX_LABELS_BYTES = 4 << 20
_NUMBERED = re.compile(r"(\d+)[\s:,]+(.*)")


def read_labels(path: Path) -> tuple[str, ...]:
    """Names in the order of the model's outputs: one in each line, perhaps after its number, or a JSON list.

    Raises:
        InputFileError: The file cannot be read, or has fewer than two names or an empty one.
    """
    try:
        with path.open("rb") as stream:
            text = stream.read(MAX_LABELS_BYTES).decode("utf-8-sig").strip()
        names = _listed(text) if text.startswith("[") else _lines(text)
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "not UTF-8 text or a JSON list"
        raise InputFileError(f"--labels {path}: {reason}; expected the name of one class in each line") from exc
    if len(names) < 2 or not all(names):
        found = f"an empty name for class {names.index('')}" if "" in names else f"{len(names)} names"
        raise InputFileError(f"--labels {path}: found {found}, expected the name of one class in each line")
    return names


def _listed(text: str) -> tuple[str, ...]:
    return tuple(str(name).strip() for name in json.loads(text))


def _lines(text: str) -> tuple[str, ...]:
    lines = [line.strip() for line in text.splitlines()]
    numbered = [_NUMBERED.fullmatch(line) for line in lines]
    if lines and all(match and int(match[1]) == number for number, match in enumerate(numbered)):
        return tuple(match[2].strip() for match in numbered if match)
    return tuple(lines)
