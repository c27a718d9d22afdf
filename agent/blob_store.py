"""Files of bundles under the names of their digests, and bundles made of links to them.

    blobs/SHA256              a file of a bundle, whole and once checked
    blobs/SHA256.part         one that is being downloaded; SHA256.part.json says what it is a part of
    bundles/ID/               the manifest, and links to the blobs of one artifact (copies where there are no links)
    bundles/ID.part/          one that is being put together

A file that two bundles share is stored and downloaded once. A bundle gets its name by one rename, after all of it is
durable. A blob that is not part of a bundle can go at any time; it only costs a download.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from pathlib import Path

from agent.errors import StorageError
from agent.storage import TEMPORARY_SUFFIX, Storage
from edge_models.bundle import open_manifest, verify_file
from edge_models.errors import BundleError, IntegrityError
from edge_models.manifest import MANIFEST_NAME, SHA256, FileEntry

BLOBS_DIR = "blobs"
BUNDLES_DIR = "bundles"
PART_SUFFIX = ".part"
_SHA256_CHARS = 64
_COPY_BYTES = 1 << 20


class BlobStore:
    """Blobs and bundles in the state directory.

    Args:
        storage: On the state directory.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def path(self, digest: str) -> Path:
        """Where a blob lies, or would."""
        return self._storage.path(f"{BLOBS_DIR}/{digest}")

    def part(self, digest: str) -> Path:
        """Where it grows until it is whole."""
        return self._storage.path(f"{BLOBS_DIR}/{digest}{PART_SUFFIX}")

    def make(self, *, durable: bool = True) -> None:
        """Make room for blobs."""
        self._storage.make_dir(BLOBS_DIR, durable=durable)

    def holds(self, entry: FileEntry) -> bool:
        """Whether a blob is here and unharmed; a harmed one goes."""
        blob = self.path(entry.sha256)
        if is_right(blob, entry):
            return True
        self._storage.remove(blob, durable=False)
        return False

    def keep_part(self, entry: FileEntry, *, durable: bool = True) -> None:
        """Call a part that is whole and checked a blob."""
        self._storage.rename(self.part(entry.sha256), self.path(entry.sha256), durable=durable)

    def link_from(self, source: Path, entry: FileEntry) -> None:
        """Take in a file that is already in the state directory, such as that of a bundle of older days."""
        self._storage.link(source, self.path(entry.sha256))

    def copy_from(self, source: Path, entry: FileEntry) -> None:
        """Take in a file from elsewhere, as it is there."""
        part = self.part(entry.sha256)
        try:
            with source.open("rb") as stream, self._storage.open_part(part, keep_bytes=0) as copy:
                while chunk := stream.read(_COPY_BYTES):
                    copy.append(chunk)
        except OSError as exc:
            raise StorageError(f"{source}: cannot be copied: {exc.strerror}") from exc
        self.keep_part(entry, durable=False)  # it can be copied again

    def assemble(self, identity: str, manifest: bytes, files: Mapping[str, FileEntry]) -> Path:
        """Make a bundle of blobs that are here.

        Args:
            identity: Digest of the manifest.
            manifest: Its bytes as signed.
            files: The files it shall have, by name.

        Returns:
            Its directory, durable.
        """
        final = self._storage.path(f"{BUNDLES_DIR}/{identity}")
        staging = final.with_name(final.name + PART_SUFFIX)
        self._storage.make_dir(
            BUNDLES_DIR, durable=False
        )  # the pointer that will rest on it lies in the same directory
        self._storage.remove(staging, durable=False)
        if final.is_dir():
            self._mend(final, manifest, files)
            return final
        self._storage.make_dir(staging, durable=False)
        for name, entry in files.items():
            self._storage.link(self.path(entry.sha256), staging / name)
        with self._storage.open_part(staging / MANIFEST_NAME) as part:
            part.append(manifest)
        self._storage.sync_dir(staging)
        self._storage.rename(staging, final)
        return final

    def prune(self, needed: Container[str], *, under_way: Container[str] = ()) -> None:
        """Remove every blob but those of the digests needed, and every part but those of downloads under way."""
        directory = self._storage.path(BLOBS_DIR)
        for name in names_in(directory):
            digest, is_part = name[:_SHA256_CHARS], len(name) > _SHA256_CHARS
            wanted = (digest in under_way and not (directory / digest).exists()) if is_part else digest in needed
            if not wanted:
                self._storage.remove(directory / name, durable=False)

    def _mend(self, final: Path, manifest: bytes, files: Mapping[str, FileEntry]) -> None:
        """The bundle is here for another artifact, or damaged: add file by file, the manifest last."""
        for name, entry in files.items():
            if not is_right(final / name, entry):
                link = final / f".{name}{TEMPORARY_SUFFIX}"  # a name that no file of a bundle can have
                self._storage.remove(link, durable=False)
                self._storage.link(self.path(entry.sha256), link)
                self._storage.rename(link, final / name, durable=False)
        if self._has_manifest(final, manifest):
            self._storage.sync_dir(final)
        else:  # which syncs the directory
            self._storage.write_atomic(final / MANIFEST_NAME, manifest)

    def _has_manifest(self, directory: Path, manifest: bytes) -> bool:
        try:
            return self._storage.read(directory / MANIFEST_NAME, max_bytes=len(manifest)) == manifest
        except StorageError:  # one that cannot be read, or is longer
            return False


def listed(directory: Path) -> frozenset[str] | None:
    """The digests of a bundle's files; None where no manifest can be read."""
    try:
        return frozenset(entry.sha256 for entry in open_manifest(directory).manifest.files.values())
    except BundleError:
        return None


def is_bundle_id(name: str) -> bool:
    """Whether a directory of this name is a whole bundle; others are parts, or on their way out."""
    return re.fullmatch(SHA256, name) is not None


def is_right(path: Path, entry: FileEntry) -> bool:
    """Whether a file is what the manifest says."""
    try:
        verify_file(path, entry)
    except IntegrityError:
        return False
    return True


def names_in(directory: Path) -> list[str]:
    """Names in a directory, sorted; none where it is missing.

    Raises:
        StorageError: It cannot be read.
    """
    try:
        return sorted(entry.name for entry in directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as exc:
        raise StorageError(f"{directory}: cannot be read: {exc.strerror}") from exc
