"""Files below a folder or inside of a zip archive of it, read in the same way."""

from __future__ import annotations

import contextlib
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from converter.errors import DatasetError

MAX_FILE_BYTES = 1 << 30
MAX_FILES = 5_000_000
_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Files of a source.

    Attributes:
        where: The source in messages.
        names: Path of each file below the source, with slashes, sorted.
        empty: Folders without any file in them or below them.
        read: Bytes of a file by its path below the source; OSError or an error of zipfile when it cannot be read.
    """

    where: str
    names: tuple[str, ...]
    empty: tuple[str, ...]
    read: Callable[[str], bytes]

    def bytes_of(self, name: str) -> bytes:
        """Content of a file.

        Raises:
            DatasetError: It is missing, too large, or its part of the archive is damaged.
        """
        try:
            return self.read(name)
        except (OSError, KeyError, *_UNREADABLE) as exc:
            reason = "no such file" if isinstance(exc, KeyError) else getattr(exc, "strerror", None) or str(exc)
            raise DatasetError(f"{self.where}/{name}: {reason}; expected a readable file, copy it anew") from exc


@contextlib.contextmanager
def open_tree(path: Path) -> Iterator[Tree]:
    """The files of a folder, of a zip archive, of a folder inside of an archive, or a single file.

    Raises:
        DatasetError: There is no such place, or the archive is damaged.
    """
    if path.is_dir():
        yield _folder(path)
        return
    archive = next((place for place in (path, *path.parents) if place.is_file()), None)
    if archive is None:
        raise DatasetError(f"{path}: no such file or folder; expected the data there, mend dataset.source")
    if archive == path and not zipfile.is_zipfile(path):
        if path.suffix.lower() == ".zip":
            raise DatasetError(f"{path}: found a damaged archive, expected a zip file; copy it anew")
        yield Tree(where=str(path.parent), names=(path.name,), empty=(), read=_reader(path.parent))
        return
    try:
        with zipfile.ZipFile(archive) as opened:
            yield _archive(opened, path, path.relative_to(archive).as_posix())
    except (OSError, zipfile.BadZipFile) as exc:
        raise DatasetError(f"{archive}: not a readable zip archive ({exc}); copy it anew") from exc


def _folder(root: Path) -> Tree:
    names, folders = [], []
    for folder, inner, files in os.walk(root):
        inner[:] = [name for name in inner if not _is_junk(name)]
        below = Path(folder).relative_to(root)
        folders += [(below / name).as_posix() for name in inner]
        names += [(below / name).as_posix() for name in files if not name.startswith(".")]
        if len(names) > MAX_FILES:
            raise DatasetError(f"{root}: found more than {MAX_FILES} files, expected the folder of one data set")
    return Tree(where=str(root), names=tuple(sorted(names)), empty=_empty(folders, names), read=_reader(root))


def _reader(root: Path) -> Callable[[str], bytes]:
    def read(name: str) -> bytes:
        path = root / name
        if path.stat().st_size > MAX_FILE_BYTES:
            raise OSError(f"found more than {MAX_FILE_BYTES} bytes")
        return path.read_bytes()

    return read


def _archive(opened: zipfile.ZipFile, path: Path, inner: str) -> Tree:
    prefix = "" if inner == "." else f"{inner}/"
    members = {info.filename: info for info in opened.infolist()}
    where, single = str(path), inner in members and not members[inner].is_dir()
    if single:
        where, prefix = (
            str(path.parent),
            f"{parent}/" if (parent := PurePosixPath(inner).parent.as_posix()) != "." else "",
        )
    below = [name.removeprefix(prefix) for name in members if name.startswith(prefix) and not _is_junk(name)]
    files = [PurePosixPath(inner).name] if single else [name for name in below if name and not name.endswith("/")]
    if not files:
        raise DatasetError(f"{path}: found no file of that name in the archive, expected one; mend dataset.source")
    folders = [name.rstrip("/") for name in below if name.endswith("/")]

    def read(name: str) -> bytes:
        if members[prefix + name].file_size > MAX_FILE_BYTES:
            raise OSError(f"found more than {MAX_FILE_BYTES} bytes")
        return opened.read(prefix + name)

    return Tree(where=where, names=tuple(sorted(files)), empty=_empty(folders, files), read=read)


def _is_junk(name: str) -> bool:
    """What operating systems leave in archives and folders."""
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


def _empty(folders: list[str], names: list[str]) -> tuple[str, ...]:
    filled = {parent.as_posix() for name in names for parent in PurePosixPath(name).parents}
    return tuple(sorted(set(folders) - filled))
