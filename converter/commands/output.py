"""Files that a command writes because the user asked for them: whole or not at all, and never into a bundle."""

from __future__ import annotations

import tempfile
from pathlib import Path

from converter.errors import OutputError
from edge_models.bundle import Bundle


def check_output(output: Path, bundle: Bundle, example: str) -> None:
    """Refuse a place before the work is done.

    Args:
        output: File that is to be written.
        bundle: What it is made of.
        example: Name of such a file, for the message.

    Raises:
        OutputError: A directory, or inside of the bundle.
    """
    if output.is_dir():
        raise OutputError(f"--output {output}: found a directory, expected a file such as {output / example}")
    if output.absolute().parent.resolve() == bundle.directory.resolve():
        raise OutputError(
            f"--output {output}: a file inside of the bundle, whose manifest signs every file; choose another directory"
        )


def write_output(output: Path, data: bytes) -> None:
    """Write ``data``, or nothing.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        with tempfile.TemporaryDirectory(dir=output.absolute().parent, prefix=".driftline") as folder:
            whole = Path(folder, "whole")
            whole.write_bytes(data)
            whole.replace(output)
    except OSError as exc:
        raise OutputError(f"--output {output}: {exc.strerror}; choose another file") from exc
