"""Paths in a recipe: relative to its own folder, with ``$NAME`` for folders that the caller knows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from converter.errors import RecipeError

_NAME = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where paths begin.

    Attributes:
        folder: The recipe's own folder.
        named: Folder of each name that may stand in a path.
        label: The recipe in messages.
    """

    folder: Path
    named: Mapping[str, str]
    label: str

    def source(self, source: str) -> str:
        """``kind:PATH`` with an absolute path; a source without a path stays as it is."""
        kind, colon, path = source.partition(":")
        return f"{kind}:{self.path(path)}" if path else kind + colon

    def path(self, path: str) -> str:
        """The absolute path.

        Raises:
            RecipeError: A name in it is not known.

        Examples:
            >>> Places(folder=Path("/r"), named={"DRIFTLINE_DATA": "/data"}, label="r.yaml").path("$DRIFTLINE_DATA/x")
            '/data/x'
        """
        return str(self.folder / Path(_NAME.sub(self._folder, path)).expanduser())

    def _folder(self, found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name not in self.named:
            known = (
                ", ".join(f"${known}" for known in self.named) or "that environment variable to name the folder of data"
            )
            raise RecipeError(f"{self.label}: found ${name} in a path, expected {known}")
        return self.named[name]
