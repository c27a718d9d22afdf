"""A bundle on disk: a directory of flat files and manifest.json, opened only after every byte has been checked.

    write_bundle(directory, manifest, {"model.tflite": data, ...})   what the converter does
    bundle = open_bundle(directory)                                  what everybody else does
    bundle.read("model.tflite")

No numpy here. Digests are of stored bytes; nothing is parsed before it is hashed, and nothing re-serialised.
"""

from __future__ import annotations

import hashlib
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_models.errors import BundleError, IntegrityError, ManifestError
from edge_models.manifest import (
    MANIFEST_NAME,
    MAX_MANIFEST_BYTES,
    Artifact,
    BundleId,
    FileEntry,
    Manifest,
    bundle_id,
    short,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle whose manifest has been read; files are checked by ``open_bundle`` or ``verify_file``."""

    directory: Path
    id: BundleId
    manifest: Manifest

    def path(self, name: str) -> Path:
        """Where the listed file ``name`` lies.

        Raises:
            BundleError: The manifest does not list it.
        """
        if name not in self.manifest.files:
            raise BundleError(f"bundle {short(self.id)} has no file {name}, only {', '.join(self.manifest.files)}")
        return self.directory / name

    def read(self, name: str) -> bytes:
        """The bytes of a listed file, hashed once more as they are read.

        Raises:
            BundleError: The manifest does not list it.
            IntegrityError: It is missing, or no longer what the manifest signs.
        """
        path = self.path(name)
        entry = self.manifest.files[name]
        try:
            data = _read_bounded(path, entry.size)
        except OSError as exc:
            raise IntegrityError(f"{path}: {exc.strerror}") from exc
        check_bytes(name, data, entry)
        return data

    def artifact(self, name: str) -> Artifact:
        """The artifact ``name``.

        Raises:
            BundleError: There is none of that name.
        """
        try:
            return self.manifest.artifacts[name]
        except KeyError:
            known = ", ".join(self.manifest.artifacts)
            raise BundleError(f"bundle {short(self.id)} has no artifact {name}, only {known}") from None


def open_manifest(directory: Path) -> Bundle:
    """Read and identify the manifest in ``directory`` without touching the files it lists.

    Raises:
        ManifestError: It is missing or malformed.
    """
    path = directory / MANIFEST_NAME
    try:
        data = _read_bounded(path, MAX_MANIFEST_BYTES)
    except OSError as exc:
        raise ManifestError(
            f"{path}: {exc.strerror}; a bundle is a directory with {MANIFEST_NAME}, written by driftline-convert"
        ) from exc
    return Bundle(directory=directory, id=bundle_id(data), manifest=Manifest.from_bytes(data))


def open_bundle(directory: Path, *, expected_id: str | None = None, files: Iterable[str] | None = None) -> Bundle:
    """Open a bundle and check every file (or those named) against its manifest.

    Args:
        directory: Where it lies.
        expected_id: If given, the manifest must have this digest.
        files: Names to check; all listed ones by default. A device checks the files of its artifact only.

    Raises:
        ManifestError: The manifest is missing or malformed.
        IntegrityError: A digest or size differs, or a file is missing.
    """
    bundle = open_manifest(directory)
    if expected_id is not None and bundle.id != expected_id:
        raise IntegrityError(f"{directory}: bundle id is {short(bundle.id)}.., expected {short(expected_id)}..")
    for name in bundle.manifest.files if files is None else files:
        verify_file(bundle.path(name), bundle.manifest.files[name])
    return bundle


def write_bundle(directory: Path, manifest: Manifest, files: Mapping[str, bytes]) -> Bundle:
    """Write a bundle so that ``directory`` either is whole or does not exist.

    Args:
        directory: Must not exist, or be an older bundle or an empty directory, which is replaced.
        manifest: With ``files`` as returned by ``file_entries(files)``.
        files: Content by name.

    Raises:
        BundleError: ``directory`` holds something else or cannot be written, or manifest and files differ.
    """
    if manifest.files != file_entries(files):
        raise BundleError("the manifest lists other files than are to be written")
    target = directory.absolute()  # "." has no name to put the new bundle beside
    try:
        _check_replaceable(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        _write_whole(target, {**files, MANIFEST_NAME: manifest.to_bytes()})
    except OSError as exc:
        raise BundleError(f"{exc.filename or directory}: {exc.strerror}; choose another output directory") from exc
    return open_bundle(directory)


def file_entries(files: Mapping[str, bytes]) -> dict[str, FileEntry]:
    """The manifest's entry of each file."""
    return {
        name: FileEntry(size=len(data), sha256=hashlib.sha256(data).hexdigest()) for name, data in sorted(files.items())
    }


def verify_file(path: Path, entry: FileEntry) -> None:
    """Compare a file with its entry, reading it in pieces.

    Raises:
        IntegrityError: It is missing, or its size or digest differs.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for a writer
            raise IntegrityError(f"{path}: not a regular file")
        if status.st_size != entry.size:
            raise IntegrityError(f"{path}: {status.st_size} bytes, the manifest says {entry.size}")
        digest = hashlib.sha256()
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                digest.update(chunk)
    except OSError as exc:
        raise IntegrityError(f"{path}: {exc.strerror}") from exc
    if digest.hexdigest() != entry.sha256:
        raise IntegrityError(
            f"{path}: sha256 {short(digest.hexdigest())}.. differs from manifest {short(entry.sha256)}.."
        )


def check_bytes(name: str, data: bytes, entry: FileEntry) -> None:
    """Compare bytes in memory with an entry of a manifest.

    Raises:
        IntegrityError: Their size or digest differs.
    """
    digest = hashlib.sha256(data).hexdigest()
    if len(data) != entry.size or digest != entry.sha256:
        raise IntegrityError(f"{name}: sha256 {short(digest)}.. differs from manifest {short(entry.sha256)}..")


def _check_replaceable(directory: Path) -> None:
    if not directory.is_dir():
        if directory.exists() or directory.is_symlink():
            raise BundleError(f"{directory} is not a directory; choose another output directory")
        return
    if any(directory.iterdir()) and not (directory / MANIFEST_NAME).is_file():
        raise BundleError(f"{directory} is not empty and holds no bundle; choose another output directory")


def _write_whole(directory: Path, files: Mapping[str, bytes]) -> None:
    """Write beside ``directory``, then change places with what is there, which comes back if that fails."""
    import shutil  # here: the supervisor on a Pi only reads bundles, and these bring three compressors with them
    import tempfile

    staging = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    fresh, old = staging / "new", staging / "old"
    try:
        fresh.mkdir()
        fresh.chmod(0o755)
        for name, data in files.items():
            (fresh / name).write_bytes(data)
        try:
            if directory.exists():
                directory.rename(old)
            fresh.rename(directory)
        except BaseException:
            if old.exists() and not directory.exists():
                old.rename(directory)
            raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _read_bounded(path: Path, max_bytes: int) -> bytes:
    with path.open("rb") as stream:
        data = stream.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise IntegrityError(f"{path}: more than {max_bytes} bytes")
    return data
