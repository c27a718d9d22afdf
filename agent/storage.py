"""All durable writes of the agent: nothing else under agent/ may create, change, rename or remove a file.

Every method leaves either the old state or the new one after a power cut: content goes to a temporary name in the same
directory, is fsynced, renamed, and the directory is fsynced. What need not outlive a power cut, or becomes durable with
something later, is asked for with ``durable=False``: each sync costs an SD card an erase cycle. Each step is announced
to an observer before it is taken, so a test can enumerate what a power cut may leave (tests/crash_states), or raise.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from agent.errors import StorageError

TEMPORARY_SUFFIX = ".tmp"
GONE_SUFFIX = ".gone"  # of a directory that is being removed
CACHE_KIB = 256  # of SQLite's pages; its own 2 MB would be a tenth of the supervisor
_COPY_BYTES = 1 << 20
_NO_LINKS = {errno.EPERM, errno.EXDEV, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS}  # FAT, other device, ...

Step = Literal["mkdir", "create", "write", "truncate", "fsync", "rename", "link", "fsync_dir", "remove", "database"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One step towards the disk, as the observer sees it before it is taken."""

    step: Step
    path: Path
    target: Path | None = None  # of rename and link: the new name
    data: bytes = b""  # of write
    keep_bytes: int = 0  # of truncate


Observer = Callable[[Operation], None]


class Storage:
    """The state directory.

    Args:
        root: Made when missing. Paths given to the methods may be relative to it; all must lie inside it.
        observer: Called before each step.

    Raises:
        StorageError: The directory cannot be made.
    """

    def __init__(self, root: Path, *, observer: Observer | None = None) -> None:
        self.root = root.absolute()
        self._observer = observer
        self._make(self.root, durable=True)

    def path(self, path: Path | str) -> Path:
        """The absolute form of a path inside the root."""
        absolute = Path(os.path.normpath(self.root / path))
        if not absolute.is_relative_to(self.root):
            raise ValueError(f"{path} is outside of {self.root}")
        return absolute

    def read(self, path: Path | str, *, max_bytes: int) -> bytes | None:
        """The content of a file, or None when there is none.

        Raises:
            StorageError: It cannot be read, or is longer than ``max_bytes``.
        """
        file = self.path(path)
        try:
            with file.open("rb") as stream:
                data = stream.read(max_bytes + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as exc:
            raise StorageError(f"{file}: cannot be read: {exc.strerror}") from exc
        if len(data) > max_bytes:
            raise StorageError(f"{file}: more than {max_bytes} bytes")
        return data

    def write_atomic(self, path: Path | str, data: bytes, *, durable: bool = True) -> None:
        """Give a file this content; after a power cut it has the old content or the new one.

        Without ``durable`` that holds for the end of the process only: a power cut may leave anything.

        Raises:
            StorageError: No space, read-only, ...; the old content is still there.
        """
        file = self.path(path)
        temporary = file.with_name(file.name + TEMPORARY_SUFFIX)
        with self.open_part(temporary, keep_bytes=0, durable=durable) as part:
            part.append(data)
        self.rename(temporary, file, durable=durable)

    def open_part(self, path: Path | str, *, keep_bytes: int | None = None, durable: bool = True) -> PartFile:
        """Open a file that grows piece by piece, such as a download.

        Args:
            path: The file; created when missing. Its name becomes durable with its directory.
            keep_bytes: Cut it to this length first; None keeps all that is there.
            durable: Whether the end of the ``with`` block syncs the content.
        """
        return PartFile(self.path(path), keep_bytes=keep_bytes, durable=durable, announce=self._announce)

    def rename(self, source: Path | str, target: Path | str, *, durable: bool = True) -> None:
        """Give a file or directory another name in its directory, atomically.

        Raises:
            ValueError: The new name is in another directory, where a power cut could leave both names, or none.
            StorageError: It cannot be renamed.
        """
        old, new = self.path(source), self.path(target)
        if old.parent != new.parent:
            raise ValueError(f"{old} cannot become {new}: link it there, then remove it here")
        self._announce(Operation(step="rename", path=old, target=new))
        with _wrapped(f"{old}: cannot be renamed to {new.name}"):
            old.replace(new)
        if durable:
            self.sync_dir(new.parent)

    def link(self, source: Path | str, target: Path | str) -> None:
        """Give a file a second name, or a copy where the file system has no links; durable with its directory."""
        old, new = self.path(source), self.path(target)
        self._announce(Operation(step="link", path=old, target=new))
        with _wrapped(f"{old}: cannot be linked to {new}"):
            try:
                os.link(old, new)
            except OSError as exc:
                if exc.errno not in _NO_LINKS:
                    raise
                self._copy(old, new)

    def make_dir(self, path: Path | str, *, durable: bool = True) -> Path:
        """Make a directory with its parents; nothing happens when it is there."""
        return self._make(self.path(path), durable=durable)

    def remove(self, path: Path | str, *, durable: bool = True) -> None:
        """Remove a file or a whole directory; nothing happens when there is none.

        A directory loses its name first: half a bundle must not look like one.
        """
        victim = self.path(path)
        if not os.path.lexists(victim):
            return
        is_tree = victim.is_dir() and not victim.is_symlink()
        if is_tree and durable and victim.suffix != GONE_SUFFIX:
            gone = victim.with_name(victim.name + GONE_SUFFIX)
            self.remove(gone, durable=False)
            self.rename(victim, gone)
            victim = gone
        for entry, is_dir in [*_tree(victim), (victim, True)] if is_tree else [(victim, False)]:
            self._announce(Operation(step="remove", path=entry))
            with _wrapped(f"{entry}: cannot be removed"):
                entry.rmdir() if is_dir else entry.unlink(missing_ok=True)
        if durable and not is_tree:
            self.sync_dir(victim.parent)

    def sync_file(self, path: Path | str) -> None:
        """Make the content of a file durable."""
        self._sync("fsync", self.path(path), os.O_RDONLY)

    def sync_dir(self, path: Path | str) -> None:
        """Make the names in a directory durable."""
        self._sync("fsync_dir", self.path(path), os.O_RDONLY | os.O_DIRECTORY)

    def sync_tree(self, path: Path | str) -> None:
        """Make durable what a library wrote into a directory, such as python-tuf's metadata."""
        for directory, _, names in os.walk(self.path(path)):
            for name in names:
                self.sync_file(Path(directory) / name)
            self.sync_dir(directory)

    def database(self, path: Path | str) -> sqlite3.Connection:
        """Open an SQLite database in WAL mode; a power cut may lose the last commits, never the file.

        Raises:
            StorageError: It cannot be opened, or is no database.
        """
        file = self.path(path)
        self._announce(Operation(step="database", path=file))
        connection: sqlite3.Connection | None = None
        try:
            connection = sqlite3.connect(file, isolation_level=None, timeout=5.0)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        except sqlite3.Error as exc:
            if connection is not None:
                connection.close()
            raise StorageError(f"{file}: cannot be opened: {exc}") from exc
        return connection

    def memory_database(self) -> sqlite3.Connection:
        """Open an SQLite database that ends with the process, for when the disk takes none."""
        return sqlite3.connect(":memory:", isolation_level=None)

    def _copy(self, old: Path, new: Path) -> None:
        with old.open("rb") as source, self.open_part(new, keep_bytes=0) as part:
            while chunk := source.read(_COPY_BYTES):
                part.append(chunk)

    def _make(self, directory: Path, *, durable: bool) -> Path:
        for step in reversed([directory, *directory.parents]):
            if not step.is_dir():
                self._announce(Operation(step="mkdir", path=step))
                with _wrapped(f"{step}: cannot be made"):
                    step.mkdir(exist_ok=True)
                if durable:
                    self._sync("fsync_dir", step.parent, os.O_RDONLY | os.O_DIRECTORY)
        return directory

    def _sync(self, step: Step, path: Path, flags: int) -> None:
        self._announce(Operation(step=step, path=path))
        with _wrapped(f"{path}: cannot be synced"):
            fd = os.open(path, flags | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    def _announce(self, operation: Operation) -> None:
        if self._observer is not None:
            self._observer(operation)


class PartFile:
    """A file that grows; leaving the ``with`` block syncs it if it is to be durable."""

    def __init__(self, path: Path, *, keep_bytes: int | None, durable: bool, announce: Observer) -> None:
        self.path = path
        self._durable = durable
        self._announce = announce
        existed = path.exists()
        if not existed:
            announce(Operation(step="create", path=path))
        with _wrapped(f"{path}: cannot be opened"), ExitStack() as undo:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            undo.callback(self.close)
            self.size_bytes = os.fstat(self._fd).st_size
            if keep_bytes is not None and keep_bytes < self.size_bytes:
                announce(Operation(step="truncate", path=path, keep_bytes=keep_bytes))
                os.ftruncate(self._fd, keep_bytes)
                self.size_bytes = keep_bytes
            os.lseek(self._fd, self.size_bytes, os.SEEK_SET)
            undo.pop_all()

    def append(self, data: bytes) -> None:
        """Add to the end."""
        self._announce(Operation(step="write", path=self.path, data=data))
        with _wrapped(f"{self.path}: cannot be written"):
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        self.size_bytes += len(data)

    def sync(self) -> None:
        """Make durable what was appended so far."""
        self._announce(Operation(step="fsync", path=self.path))
        with _wrapped(f"{self.path}: cannot be synced"):
            os.fsync(self._fd)

    def close(self) -> None:
        """Close without a sync."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        try:
            if kind is None and self._durable:
                self.sync()
        finally:
            self.close()


def _tree(directory: Path) -> Iterator[tuple[Path, bool]]:
    """What is in a directory, the innermost first, and whether it is a directory."""
    for folder, folders, files in os.walk(directory, topdown=False):
        yield from ((Path(folder, name), False) for name in files)
        yield from ((Path(folder, name), not Path(folder, name).is_symlink()) for name in folders)


@contextmanager
def _wrapped(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise StorageError(f"{what}: {exc.strerror}") from exc
