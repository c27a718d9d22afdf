"""What a dataclass field says beyond its type: one sentence, and the bounds that its values keep."""
# ruff: noqa: ANN401 - a default may be of any type

from __future__ import annotations

import dataclasses
from dataclasses import MISSING
from typing import Any, cast


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What a field's metadata says beyond its type: one sentence, and bounds that the decoder enforces."""

    doc: str
    ge: float | None = None
    le: float | None = None
    pattern: str | None = None
    max_length: int | None = None


def described(
    doc: str,
    *,
    default: Any = MISSING,
    default_factory: Any = MISSING,
    ge: float | None = None,
    le: float | None = None,
    pattern: str | None = None,
    max_length: int | None = None,
) -> Any:
    """Declare a dataclass field with its one-sentence doc and its bounds.

    Args:
        doc: What the field says, with its unit where its name has none.
        default: Value when the document leaves the field out; without it the field is required.
        default_factory: As for ``dataclasses.field``.
        ge: Smallest allowed number.
        le: Largest allowed number.
        pattern: Regular expression that a string must match as a whole.
        max_length: Largest number of characters or items.
    """
    meta = Described(doc=doc, ge=ge, le=le, pattern=pattern, max_length=max_length)
    return dataclasses.field(default=default, default_factory=default_factory, metadata={"described": meta})


def description(field: dataclasses.Field[Any]) -> Described:
    """The field's metadata; an empty one where the field was declared plainly."""
    return cast("Described", field.metadata.get("described", Described(doc="")))
