"""One worker for each work_dir: two would write into the same job.

The lock file holds the worker's name. A job belongs to the worker that has its files, and these may move to another
machine, or stay while a container gets another host name.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from deploy.errors import UsageError

_NAME_CHARACTERS = 32


@contextlib.contextmanager
def held(work_dir: Path) -> Iterator[str]:
    """Hold the lock of ``work_dir``, made if missing; the kernel lets go of it when the process dies.

    Yields:
        The name of the worker whose directory it is.

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
        yield _name(descriptor)
    finally:
        os.close(descriptor)


def _name(descriptor: int) -> str:
    name = os.pread(descriptor, _NAME_CHARACTERS, 0)
    if len(name) < _NAME_CHARACTERS:
        name = uuid.uuid4().hex.encode()
        os.pwrite(descriptor, name, 0)
        os.fsync(descriptor)
    return name.decode(errors="replace")
