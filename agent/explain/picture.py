"""Writes a picture where the user says; whole or not at all."""

from __future__ import annotations

from pathlib import Path

from agent.explain.errors import ExplainError
from agent.explain.plot import png
from agent.explain.story import Story
from agent.storage import Storage

SUFFIX = ".png"


def check_target(path: Path) -> None:
    """Refuse a file that a picture cannot become, before any work is done.

    Raises:
        ExplainError: Another kind of picture, a directory, or a folder that is not there.
    """
    if path.suffix.lower() != SUFFIX:
        raise ExplainError(f"--plot: found {path.name!r}, expected a name that ends in {SUFFIX}")
    if path.is_dir():
        raise ExplainError(f"--plot: found the directory {path}, expected a file")
    if not path.absolute().parent.is_dir():
        raise ExplainError(f"--plot: found no folder {path.parent}, expected one that is there; make it first")


def write_picture(path: Path, story: Story) -> None:
    """Draw the story into a PNG file.

    Raises:
        ExplainError: Nothing to draw, or nothing to draw it with.
        StorageError: The file cannot be written.
    """
    check_target(path)
    target = path.absolute()
    Storage(target.parent).write_atomic(target.name, png(story))
