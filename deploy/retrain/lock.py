"""One worker for each work_dir: two would write into the same job."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from deploy.errors import UsageError


@contextlib.contextmanager
def held(work_dir: Path) -> Iterator[None]:
    """Hold the lock of ``work_dir``, made if missing; the kernel lets go of it when the process dies.

    Raises:
        UsageError: Another worker has it.
    """
    work_dir.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(work_dir / "retrain.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"work_dir: another retraining worker uses {work_dir}; stop it, or choose another --work-dir"
            ) from None
        yield
    finally:
        os.close(descriptor)
