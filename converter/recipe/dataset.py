"""The recipe's sections ``dataset`` and ``input``: the data, and what the model eats of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from edge_models.fields import described
from edge_models.manifest import Step

PATTERN_GROUPS = frozenset({"label", "group", "part", "context"})
SOURCES = "mnist5k, digits, npz:PATH, images:PATH, wav:PATH, csv:PATH or signals:PATH"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRecipe:
    """Where the data come from and how they are divided.

    Paths are relative to the recipe's own folder; ``$DRIFTLINE_DATA`` in them is the folder of that environment
    variable. A folder may be a zip archive of it, or a folder inside of one: ``data.zip/pictures``.
    """

    source: str = described(f"{SOURCES}.", max_length=4096)
    unlabelled: tuple[str, ...] = described(
        "More sources of the same form, without labels, for self-supervised pre-training.", default=(), max_length=64
    )
    pattern: str | None = described(
        "Regular expression that is searched for in the path of a file below the source (or in the name of an array "
        "of signals:), with the named groups label, group, part (train, profile or test) and context (for "
        "profile.groups); files that it does not match are left out. Without it, a file's folder is its label.",
        default=None,
        max_length=400,
    )
    labels: tuple[str, ...] = described("Class names; the data's own when left out.", default=(), max_length=10000)
    columns: tuple[str, ...] = described(
        "csv: columns of a row; all numeric ones when left out. Without a header their names are 0, 1, 2 ...",
        default=(),
        max_length=4096,
    )
    label_column: str | None = described("csv: column of the class.", default=None, max_length=200)
    label_file: str | None = described(
        "csv: file beside the only table with the class of each row in a line.", default=None, max_length=400
    )
    group_column: str | None = described("csv: column of the group.", default=None, max_length=200)
    size: tuple[int, int] | None = described(
        "images: height and width that each is resized to; without it all must have one size.", default=None, ge=1
    )
    rate_hz: float | None = described("wav: samples in a second that files are resampled to.", default=None, ge=1e-3)
    seconds: float | None = described(
        "wav: length that clips are filled with silence to, or cut to about their loudest part; that of the longest "
        "when left out.",
        default=None,
        ge=1e-3,
    )
    blocks: int | None = described(
        "Cut each recording into so many stretches of time, each a group of its own, so that neighbouring windows are "
        "in one part. A group of npz: is a recording.",
        default=None,
        ge=3,
        le=10000,
    )
    test: float = described(
        "Share for the final figures, unless pattern, test_from or test_groups say which examples those are.",
        default=0.15,
        ge=0.02,
        le=0.5,
    )
    profile: float = described(
        "Share of what is then left for the reference profile and for validation.", default=0.2, ge=0.02, le=0.6
    )
    test_from: int | None = described("Examples from this one on are the test part.", default=None, ge=1)
    test_groups: tuple[str, ...] = described("Groups that are the test part.", default=(), max_length=1000)
    normal: tuple[str, ...] = described("Classes that are normal, for task anomaly.", default=(), max_length=1000)
    limit: int | None = described("Use at most so many examples.", default=None, ge=20)
    per_class: int | None = described("Label only so many examples of each class for training.", default=None, ge=1)

    def __post_init__(self) -> None:
        """Refuse splits that leave nothing to learn from."""
        if self.test + self.profile > 0.8:
            raise ValueError("test and profile of together at most 0.8")
        if self.test_from is not None and self.test_groups:
            raise ValueError("test_from or test_groups, not both")
        if self.blocks is not None and (self.group_column or "(?P<group>" in (self.pattern or "")):
            raise ValueError("blocks or groups of the data, not both: no group may be cut")
        if self.pattern is not None:
            _check_pattern(self.pattern)


def _check_pattern(pattern: str) -> None:
    try:
        named = re.compile(pattern).groupindex
    except re.error as exc:
        raise ValueError(f"pattern a regular expression ({exc})") from exc
    if not set(named) <= PATTERN_GROUPS:
        raise ValueError(f"pattern with no other named groups than {', '.join(sorted(PATTERN_GROUPS))}")


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRecipe:
    """What the model eats."""

    kind: Literal["image", "rows", "audio"] = described("What the numbers are.", default="image")
    value_range: tuple[float, float] = described("Smallest and largest value of a frame.", default=(0.0, 255.0))
    preprocess: tuple[Step, ...] = described("Steps from a frame to the model's input.", default=(), max_length=16)
    standardise: bool = described(
        "Append a step with mean and std of the training part: for each column of rows and windows, for all numbers "
        "of an image or spectrogram together.",
        default=False,
    )

    def __post_init__(self) -> None:
        """Refuse an empty range."""
        if self.value_range[0] >= self.value_range[1]:
            raise ValueError("a value_range that rises")
