"""What an audit says: findings with a severity, and the data that the checks look at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from converter.datasets import Dataset, Splits
from edge_models.signals import Kind

SHOWN = 5  # examples that a finding names


class Severity(StrEnum):
    """How much a finding matters; in this order."""

    HIGH = "high"  # figures cannot be believed, or a class cannot be learnt
    MEDIUM = "medium"  # the model is likely to be worse than it could be
    NOTE = "note"  # worth knowing


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was found.

    Attributes:
        check: Name of the check, such as duplicates.
        severity: How much it matters.
        what: What was found, with its numbers.
        advice: What to do about it.
        examples: Names of a few of the examples.
    """

    check: str
    severity: Severity
    what: str
    advice: str
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """The data of an audit.

    Attributes:
        data: Examples; whole windows where the recipe cuts windows.
        kind: What the numbers are.
        parts: How they are divided; None when they cannot be.
        by_blocks: Groups are stretches of a recording and not places, devices or people.
    """

    data: Dataset
    kind: Kind
    parts: Splits | None
    by_blocks: bool

    def part_of(self) -> NDArray[np.int8]:
        """0 train, 1 profile, 2 test, -1 none, of each example."""
        part = np.full(len(self.data.x), -1, np.int8)
        if self.parts is not None:
            for number, members in enumerate(self.parts.all):
                part[members] = number
        return part

    def named(self, chosen: NDArray[np.intp]) -> tuple[str, ...]:
        """Names of the first few of the chosen examples."""
        return tuple(self.data.name_of(int(index)) for index in chosen[:SHOWN])


def share(count: int, total: int) -> str:
    """A count with its share.

    >>> share(5, 200)
    '5 (2.5 %)'
    """
    percent = 100 * count / max(1, total)
    return f"{count} ({percent:.2g} %)" if percent < 10 else f"{count} ({percent:.0f} %)"
