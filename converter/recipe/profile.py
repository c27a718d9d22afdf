"""The recipe's section ``profile``: what a device takes for normal."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from edge_models.fields import described
from edge_models.profile import CONTEXT_NAME, MAX_CONTEXTS


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileRecipe:
    """Conditions that are all right, such as day and night: each is measured by itself, and none counts as drift."""

    groups: str | dict[str, tuple[str, ...]] | None = described(
        "What tells the condition of an example: a column of csv:, an array of integers of npz:, or context for the "
        "named group of that name in dataset.pattern; or a mapping from the name of each condition to groups of the "
        "data, where the other groups are together the condition reference. At most four.",
        default=None,
        max_length=200,
    )

    def __post_init__(self) -> None:
        """Refuse names that a profile cannot have, and a group in two conditions."""
        if not isinstance(self.groups, dict):
            return
        refusal = refused_names(self.groups)
        if refusal is not None or not self.groups:
            raise ValueError(refusal or "groups with at least one condition")
        members = [group for groups in self.groups.values() for group in groups]
        if len(set(members)) < len(members) or not all(self.groups.values()):
            raise ValueError("groups with at least one group for each condition, and none in two of them")

    @property
    def source(self) -> str | None:
        """The column, array or named group that tells the condition; None where groups do, or nothing."""
        return self.groups if isinstance(self.groups, str) else None


def refused_names(names: Iterable[str]) -> str | None:
    """What would be right instead of these names of conditions; None where they are.

    Examples:
        >>> refused_names(["day", "night"]) is None
        True
        >>> refused_names(["Night"])
        "names of conditions in small letters, digits, - and _, of at most 32, not 'Night'"
    """
    found = list(names)
    if len(found) > MAX_CONTEXTS:
        return f"at most {MAX_CONTEXTS} conditions, not {len(found)}"
    strange = next((name for name in found if not re.fullmatch(CONTEXT_NAME, name)), None)
    if strange is None:
        return None
    return f"names of conditions in small letters, digits, - and _, of at most 32, not {strange!r}"
