"""Labels as people hand them over: pairs on a command line, or a table."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from deploy.errors import LabelError

MAX_LABELS = 1_000_000
_COLUMNS = ("id", "label")


def labels_from_pairs(words: Sequence[str]) -> dict[str, str]:
    """Label by sample id from ``ID LABEL ID LABEL ...``.

    Raises:
        LabelError: An id has no label.
    """
    if len(words) % 2:
        raise LabelError(f"labels: found {len(words)} words, expected ID LABEL pairs; {words[-1]!r} has no label")
    return dict(zip(words[::2], words[1::2], strict=True))


def labels_from_csv(source: str, stdin: IO[str]) -> dict[str, str]:
    """Label by sample id from a table with the columns ``id`` and ``label``; rows without a label are passed over.

    Args:
        source: Path of the table; ``-`` reads ``stdin``.
        stdin: The standard input.

    Raises:
        LabelError: It cannot be read, or a column is missing.
    """
    if source == "-":
        return _parsed(stdin, "stdin")
    try:
        with Path(source).open(encoding="utf-8-sig", newline="") as stream:
            return _parsed(stream, source)
    except OSError as exc:
        raise LabelError(f"{source}: {exc.strerror}; expected a CSV file with the columns id and label") from exc


def _parsed(stream: IO[str], name: str) -> dict[str, str]:
    labels: dict[str, str] = {}
    try:
        reader = csv.DictReader(stream)
        missing = [column for column in _COLUMNS if column not in (reader.fieldnames or ())]
        if missing:
            found = ", ".join(reader.fieldnames or ()) or "an empty file"
            raise LabelError(f"{name}: found columns {found[:200]}, expected id and label in the first line")
        for row in reader:
            identity, label = (row["id"] or "").strip(), (row["label"] or "").strip()
            if identity and label:
                labels[identity] = label
            elif label:
                raise LabelError(f"{name}: line {reader.line_num} has label {label[:40]!r} and no id")
            if len(labels) > MAX_LABELS:
                raise LabelError(f"{name}: more than {MAX_LABELS} labels; split the table")
    except (csv.Error, UnicodeDecodeError) as exc:
        raise LabelError(f"{name}: no CSV table in UTF-8 ({exc}); expected the columns id and label") from exc
    return labels
