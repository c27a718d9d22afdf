"""A disk that has not yet written everything: what a power cut may leave of a recorded run.

After a power cut a file has what was synced of it, and of what was appended since any prefix, or its length with zeros
for content. A directory has the names that were synced, and any subset of the changes since, whatever became of other
directories and of the files' content: order is kept by nothing but syncs. This is weaker than what any journaling file
system gives, as in ALICE (Pillai et al., OSDI 2014) and CrashMonkey (Mohan et al., OSDI 2018). A rename within a
directory is one change. Changes of different names commute, and of two changes of one name only the later one shows,
so the subsets, applied in order of the run, are all that any order can leave.
"""

from __future__ import annotations

import hashlib
import itertools
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Care = Literal["glance", "quick", "full"]
MAX_CHANGES = 12  # 4096 subsets; older changes count as written
QUICK_CHANGES = 5  # up to here the quick search takes every subset


@dataclass(frozen=True, slots=True)
class Named:
    """A directory's name got another meaning; ``inode`` None takes the name away, ``old`` too goes with it."""

    directory: int
    name: str
    inode: int | None
    old: str | None = None
    is_new_folder: bool = False


@dataclass(frozen=True, slots=True)
class Wrote:
    """A file was cut to ``keep_bytes`` and got ``data`` at its end."""

    inode: int
    keep_bytes: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Synced:
    """All before this about the inode is on the disk."""

    inode: int
    site: str


@dataclass(frozen=True, slots=True)
class Promised:
    """From here on a path has this content, None for no file; with ``is_open`` nothing is promised of it for now."""

    path: str
    content: bytes | None
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """From here on so many bytes of a download need not come again."""

    digest: str
    size: int


Happened = Named | Wrote | Synced | Promised | Kept
Tree = dict[str, bytes | None]  # path -> content, None for a directory


@dataclass(slots=True)
class Disk:
    """Inodes as they are on the disk, and what is on its way there.

    Attributes:
        care: ``full`` takes every subset of the names, and cuts torn files at five places. ``quick`` cuts a torn file
            at its ends and one place between, several at that place only; where many changes of names are pending, it
            leaves out at most two, or all but one. ``glance`` leaves out at most one, or all, and takes a file as it
            was or as it should be.
        files: Synced content by inode.
        folders: Synced names by inode; inode 0 is the root.
    """

    care: Care = "quick"
    files: dict[int, bytes] = field(default_factory=dict)
    folders: dict[int, dict[str, int]] = field(default_factory=lambda: {0: {}})
    _changes: list[Named] = field(default_factory=list)
    _writes: dict[int, list[Wrote]] = field(default_factory=dict)
    promises: dict[str, bytes | None] = field(default_factory=dict)
    kept: dict[str, int] = field(default_factory=dict)

    def happen(self, event: Happened) -> None:
        """Take up the next thing of the run."""
        match event:
            case Named():
                self._changes.append(event)
                if event.is_new_folder and event.inode is not None:
                    self.folders[event.inode] = {}
            case Wrote(inode=inode):
                self._writes.setdefault(inode, []).append(event)
            case Synced(inode=inode):
                self._sync(inode)
            case Promised(path=path, is_open=True):
                self.promises.pop(path, None)
            case Promised(path=path, content=content):
                self.promises[path] = content
            case Kept(digest=digest, size=size):
                self.kept[digest] = size

    def _sync(self, inode: int) -> None:
        if inode in self.folders:
            _apply(self.folders, [change for change in self._changes if change.directory == inode])
            self._changes = [change for change in self._changes if change.directory != inode]
        content = self.files.get(inode, b"")
        for wrote in self._writes.pop(inode, []):
            content = content[: wrote.keep_bytes] + wrote.data
            self.files[inode] = content

    def crashes(self) -> Iterator[Tree]:
        """Every tree that a power cut may leave now."""
        changes = self._changes[-MAX_CHANGES:]
        always = self._changes[:-MAX_CHANGES]
        sizes: Iterable[int] = range(len(changes), -1, -1)
        if self.care == "glance":
            sizes = sorted({len(changes), max(len(changes) - 1, 0), 0}, reverse=True)
        elif self.care == "quick" and len(changes) > QUICK_CHANGES:
            sizes = [len(changes), len(changes) - 1, len(changes) - 2, 1, 0]
        for size in sizes:
            for subset in itertools.combinations(changes, size):
                folders = {inode: dict(names) for inode, names in self.folders.items()}
                _apply(folders, [*always, *subset])
                yield from self._with_contents(folders)

    @property
    def pending(self) -> int:
        """Changes of names that are not yet on the disk."""
        return len(self._changes)

    def _with_contents(self, folders: Mapping[int, Mapping[str, int]]) -> Iterator[Tree]:
        paths = dict(_paths(folders, 0, ""))
        torn = sorted({inode for inode in paths.values() if inode in self._writes})
        variants = [self._variants(inode, few=len(torn) > 1) for inode in torn]
        for contents in itertools.product(*variants):
            known = {**self.files, **dict(zip(torn, contents, strict=True))}
            yield {path: None if inode in folders else known.get(inode, b"") for path, inode in paths.items()}

    def _variants(self, inode: int, *, few: bool) -> list[bytes]:
        before = whole = self.files.get(inode, b"")
        least = len(before)
        for wrote in self._writes[inode]:
            whole = whole[: wrote.keep_bytes] + wrote.data
            least = min(least, wrote.keep_bytes)
        if self.care == "glance":
            return list(dict.fromkeys([before, whole]))
        new = len(whole) - least
        drawn = zlib.crc32(whole) % (new + 1)  # another place for each file and moment, the same in each run
        if few and self.care == "quick":
            return list(dict.fromkeys([whole, whole[: least + drawn], before]))
        lengths = {0, drawn, new} if self.care == "quick" else {0, 1, new // 2, drawn, max(new - 1, 0), new}
        found = [whole[: least + length] for length in sorted(lengths, reverse=True)]
        return list(dict.fromkeys([*found, before, whole[:least] + bytes(new)]))


def _apply(folders: dict[int, dict[str, int]], changes: Iterable[Named]) -> None:
    for change in changes:
        names = folders.setdefault(change.directory, {})
        if change.old is not None:
            names.pop(change.old, None)
        if change.inode is None:
            names.pop(change.name, None)
        else:
            names[change.name] = change.inode


def _paths(folders: Mapping[int, Mapping[str, int]], inode: int, prefix: str) -> Iterator[tuple[str, int]]:
    for name, child in folders.get(inode, {}).items():
        yield prefix + name, child
        yield from _paths(folders, child, f"{prefix}{name}/")


def digest(tree: Tree) -> bytes:
    """What tells one tree from another."""
    found = hashlib.sha256()
    for path, content in sorted(tree.items()):
        found.update(path.encode() + (b"/" if content is None else b"=%d:" % len(content) + content))
    return found.digest()


def write(tree: Tree, root: Path) -> None:
    """Make a tree on a real file system; two names of one content become two files, which nobody may mind."""
    root.mkdir(parents=True)
    for path, content in tree.items():  # a directory comes before what is in it
        if content is None:
            (root / path).mkdir()
        else:
            (root / path).write_bytes(content)
