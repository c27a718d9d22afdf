"""A directory without a disk behind it, for tests that sync thousands of times."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")


@contextmanager
def memory_directory(otherwise: Path) -> Iterator[Path]:
    """A fresh directory in shared memory where there is some, else ``otherwise``."""
    if not SHARED_MEMORY.is_dir():
        yield otherwise
        return
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY) as directory:
        yield Path(directory)
