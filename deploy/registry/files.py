"""Durable files of the registry: whole or absent after a power cut, and one writer at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from deploy.clock import Clock
from deploy.registry.errors import RegistryBusyError
from edge_models.bundle import verify_file
from edge_models.errors import IntegrityError
from edge_models.manifest import FileEntry

_COPY_BYTES = 1 << 20
_LOCK_POLL_S = 0.05


def write_durable(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Put ``data`` at ``path``: temporary file in the same directory, fsync, rename, fsync of the directory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _replacing(path, mode) as (descriptor, _):
        _write_all(descriptor, data)


def copy_durable(source: Path, target: Path, entry: FileEntry) -> None:
    """Copy ``source`` to ``target`` and keep the copy only if it is what ``entry`` says.

    Raises:
        IntegrityError: The source changed since it was checked.
    """
    with contextlib.suppress(IntegrityError):
        verify_file(target, entry)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with _replacing(target, 0o444) as (descriptor, temporary), source.open("rb") as stream:
        while chunk := stream.read(_COPY_BYTES):
            _write_all(descriptor, chunk)
        verify_file(temporary, entry)


@contextlib.contextmanager
def _replacing(path: Path, mode: int) -> Iterator[tuple[int, Path]]:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
    temporary = Path(name)
    try:
        try:
            os.fchmod(descriptor, mode)
            yield descriptor, temporary
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def sync_directory(directory: Path) -> None:
    """Make renames inside ``directory`` survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(path: Path, clock: Clock, *, timeout_s: float = 30.0) -> Iterator[None]:
    """Hold the lock file ``path``; the kernel lets go of it when the process dies.

    Raises:
        RegistryBusyError: Another process held it for ``timeout_s``.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _acquire(descriptor, path, clock, timeout_s)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, path: Path, clock: Clock, timeout_s: float) -> None:
    deadline = clock.monotonic_s() + timeout_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if clock.monotonic_s() >= deadline:
                raise RegistryBusyError(
                    f"{path}: held by another process for {timeout_s:g} s; wait for the other publish, then try again"
                ) from None
            clock.sleep(_LOCK_POLL_S)
        else:
            return
