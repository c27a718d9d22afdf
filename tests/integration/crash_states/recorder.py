"""Turns what a ``Storage`` announces into what happens to inodes.

``Storage`` announces a step before it takes it, so a step counts once the next one is announced, or the run is over.
What a library wrote without telling, such as python-tuf's metadata, is found by comparing the real directory with what
is known, and counts as written and renamed without a sync.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

from agent.storage import Operation
from tests.integration.crash_states.disk import Happened, Kept, Named, Promised, Synced, Wrote

HARM, TIME = "the card", "time"
STATE = "state"  # the state directory, in the root of the recorded disk
_RECORDS = ("active.json", "update.json", "boot", "time_floor.json", "request.json", "episode.json", "tuf/seen.json")
_LEARNT = ("drift/", "adapted/")
_PRODUCT = f"{Path(__file__).parents[3]}/agent/"
_PLUMBING = ("Storage._announce", "Storage._sync", "Storage._make", "PartFile.sync", "PartFile.__exit__")


class Recorder:
    """The observer of a run's ``Storage``.

    Args:
        root: Directory with the state directory, which is not there yet.

    Attributes:
        happened: Everything so far, in order.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.happened: list[Happened] = []
        self._inodes: dict[str, int] = {"": 0}
        self._content: dict[int, bytes] = {}
        self._next = 1
        self._due: list[Happened] = []

    def __call__(self, operation: Operation) -> None:
        path = self._relative(operation.path)
        if operation.step not in ("fsync", "fsync_dir"):
            self.settle()
        match operation.step:
            case "mkdir" | "create" as step:
                self._name(path, self._fresh(), is_new_folder=step == "mkdir")
            case "write":
                inode = self._inodes[path]
                before = self._content.get(inode, b"")
                self._content[inode] = before + operation.data
                self.happened.append(Wrote(inode, len(before), operation.data))
            case "truncate":
                self._truncate(path, operation.keep_bytes)
            case "fsync" | "fsync_dir":
                self._sync(path)
            case "rename":
                self._rename(path, self._relative(operation.target or operation.path))
            case "link":
                self._name(self._relative(operation.target or operation.path), self._inodes[path])
            case "remove":
                self._remove(path)
            case "database":
                raise AssertionError("SQLite keeps its own files whole; this does not follow it there")

    def settle(self) -> None:
        """The step before is done, syncs and all: what it promises holds from now on."""
        self.happened += self._due
        self._due.clear()

    def write_back(self) -> None:
        """Half a minute goes by, after which Linux has written everything."""
        self.settle()
        self.happened += [Synced(inode, TIME) for inode in sorted({*self._inodes.values(), *self._content})]

    def harm(self, path: str, content: bytes) -> None:
        """The card lost what was there, and says something else."""
        inode = self._inodes[path]
        self.settle()
        self.happened += [Kept(Path(name).name, 0) for name, other in self._inodes.items() if other == inode]
        self.happened += [Wrote(inode, 0, content), Synced(inode, HARM)]
        self._content[inode] = content
        (self.root / path).write_bytes(content)

    def _relative(self, path: Path) -> str:
        return "" if path == self.root else str(path.relative_to(self.root))

    def _fresh(self) -> int:
        self._next += 1
        return self._next

    def _name(self, path: str, inode: int, *, is_new_folder: bool = False) -> None:
        self._inodes[path] = inode
        parent, _, name = path.rpartition("/")
        self.happened.append(Named(self._inodes[parent], name, inode, is_new_folder=is_new_folder))

    def _sync(self, path: str) -> None:
        self.happened.append(Synced(self._inodes[path], _site()))
        if path.endswith(".part") and _asks("BlobDownloader._make_durable"):
            self._due.append(Kept(Path(path).stem, self._size(path)))

    def _size(self, path: str) -> int:
        return len(self._content.get(self._inodes[path], b""))

    def _remove(self, path: str) -> None:
        name = path.removeprefix(f"{STATE}/")
        if name in _RECORDS or name.startswith(_LEARNT):
            self.happened.append(Promised(path, None, is_open=True))
            if name in _RECORDS:
                self._due.append(Promised(path, None))
        if name.startswith("blobs/") and not name.endswith(".json"):
            self.happened.append(Kept(Path(path).name[:64], 0))
        self._inodes.pop(path)
        parent, _, name = path.rpartition("/")
        self.happened.append(Named(self._inodes[parent], name, None))

    def _rename(self, old: str, new: str) -> None:
        self._promise(new, old)
        parent, _, name = new.rpartition("/")
        moved = [path for path in self._inodes if path == old or path.startswith(f"{old}/")]
        for path in moved:
            self._inodes[new + path[len(old) :]] = self._inodes.pop(path)
        self.happened.append(Named(self._inodes[parent], name, self._inodes[new], old=old.rpartition("/")[2]))

    def _promise(self, new: str, old: str) -> None:
        name = new.removeprefix(f"{STATE}/")
        if name in _RECORDS or name.startswith(_LEARNT):
            self.happened.append(Promised(new, None, is_open=True))
            self._due.append(Promised(new, self._content.get(self._inodes[old], b"")))
        if name.startswith("blobs/") and _asks("BundleFetcher._gather") and not name.endswith(".json"):
            self._due.append(Kept(Path(new).name, self._size(old)))

    def _truncate(self, path: str, keep_bytes: int) -> None:
        inode = self._inodes[path]
        self._content[inode] = self._content.get(inode, b"")[:keep_bytes]
        self.happened.append(Wrote(inode, keep_bytes, b""))


def _frames() -> Iterator[CodeType]:
    frame = inspect.currentframe()
    while frame is not None:
        yield frame.f_code
        frame = frame.f_back


def _asks(function: str) -> bool:
    """Whether this function is on the stack."""
    return any(code.co_qualname == function for code in _frames())


def _site() -> str:
    """Who asked for a sync: the product's functions on the stack, the plumbing of ``Storage`` left out."""
    ours = [code for code in _frames() if code.co_filename.startswith(_PRODUCT)]
    names = [code.co_qualname for code in ours if not code.co_qualname.startswith(_PLUMBING)]
    kind = "content" if any(code.co_qualname in ("PartFile.sync", "Storage.sync_file") for code in ours) else "names"
    return f"{kind}: {' < '.join(names[:4])}"
