"""Get a bundle: its signed manifest, then the files of one artifact.

They gather in ``bundles/ID.part``, which is renamed to ``bundles/ID`` once it is whole.
A file is taken from another bundle of this device when one has it, and downloaded otherwise. Every step leaves a state
from which the next run of the same job goes on; nothing that is complete is fetched again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from agent.errors import StorageError
from agent.storage import Storage
from agent.update_client.blobs import BlobDownloader
from agent.update_client.errors import ContentError, NoSpaceError, TooLargeError, UnfitError
from agent.update_client.report import Report
from edge_models.bundle import open_bundle, open_manifest, verify_file
from edge_models.engines import choose_artifact, device_files
from edge_models.errors import BundleError, EngineError, IntegrityError, ManifestError
from edge_models.manifest import MANIFEST_NAME, FileEntry, Manifest, bundle_id, short

BUNDLES_DIR = "bundles"
PART_SUFFIX = ".part"
_MARGIN_BYTES = 1 << 20  # records, directories, and something for the outbox to go on


def choose_files(
    data: bytes, *, bundle: str, model: str | None, artifact: str | None, runtimes: Iterable[str], max_bytes: int
) -> tuple[Manifest, str]:
    """Read a trusted manifest and choose what to fetch of it.

    Args:
        data: The manifest's bytes.
        bundle: The id that they must have.
        model: The model slot of this device, or None for any.
        artifact: What the operator asks for, or None.
        runtimes: What runs here, as for ``choose_artifact``.
        max_bytes: Bound on the files together.

    Returns:
        The manifest and the name of the artifact.

    Raises:
        ContentError: The bytes are not this bundle's manifest.
        UnfitError: The bundle is for another model, or has nothing that runs here.
        TooLargeError: The files exceed ``max_bytes``.
    """
    if bundle_id(data) != bundle:
        raise ContentError(f"bundle {short(bundle)}: the signed manifest is that of {short(bundle_id(data))}")
    try:
        manifest = Manifest.from_bytes(data)
        name = choose_artifact(manifest, runtimes, artifact)
    except (ManifestError, EngineError) as exc:
        raise UnfitError(f"bundle {short(bundle)}: {exc}") from exc
    if model is not None and manifest.model != model:
        raise UnfitError(f"bundle {short(bundle)}: is for model {manifest.model}, this device runs {model}")
    total = total_bytes(manifest, device_files(manifest, name, runtimes))
    if total > max_bytes:
        raise TooLargeError(
            f"bundle {short(bundle)}: artifact {name} has {total} bytes, update.max_bundle_bytes allows {max_bytes}"
        )
    return manifest, name


def total_bytes(manifest: Manifest, names: Iterable[str]) -> int:
    """Bytes of these files."""
    return sum(manifest.files[name].size for name in names)


class BundleFetcher:
    """Puts one bundle on this device's disk.

    Args:
        storage: The state directory.
        blobs: Downloads a single file; made with ``grown``, which this class passes to it.
        targets_url: Where the registry's blobs lie.
        report: Told how far it is.
        free_bytes: Asked how much the disk still takes.
        runtimes: What runs here, as for ``choose_artifact``; with a spiking artifact it decides on the collapsed form.
    """

    def __init__(
        self,
        storage: Storage,
        blobs: Callable[[Callable[[int], None]], BlobDownloader],
        *,
        targets_url: str,
        report: Report,
        free_bytes: Callable[[], int],
        runtimes: Iterable[str] = (),
    ) -> None:
        self._storage = storage
        self._blobs = blobs(self._grown)
        self._targets_url = targets_url.rstrip("/") + "/"
        self._report = report
        self._free_bytes = free_bytes
        self._runtimes = runtimes
        self._complete_bytes = 0
        self._total_bytes = 0

    def fetch(self, data: bytes, manifest: Manifest, artifact: str) -> Path:
        """Return the directory of the bundle once it holds the manifest and the artifact's files, all checked.

        Raises:
            ClientError: See ``agent.update_client.errors``.
            StorageError: The disk fails.
        """
        identity = bundle_id(data)
        names = device_files(manifest, artifact, self._runtimes)
        self._total_bytes = total_bytes(manifest, names)
        final = self._storage.path(f"{BUNDLES_DIR}/{identity}")
        staging = final.with_name(final.name + PART_SUFFIX)
        self._report.manifest(artifact, self._total_bytes)
        if _is_whole(final, identity, names):
            self._storage.remove(staging)
            self._report.progress(self._total_bytes, self._total_bytes)
        else:
            self._storage.make_dir(staging)
            self._stage_manifest(staging, data)
            for name in names:
                self._stage_file(staging, name, manifest.files[name])
            self._put_in_place(staging, final, names)
        received = self._blobs.received_bytes
        reused = max(0, self._total_bytes - received)
        self._report.done(bundle=identity, artifact=artifact, directory=final, downloaded=received, reused=reused)
        return final

    def _stage_manifest(self, staging: Path, data: bytes) -> None:
        path = staging / MANIFEST_NAME
        with contextlib.suppress(StorageError):
            if self._storage.read(path, max_bytes=len(data)) == data:
                return
        self._storage.write_atomic(path, data)

    def _stage_file(self, staging: Path, name: str, entry: FileEntry) -> None:
        target = staging / name
        if not (_is_right(target, entry) or self._reuse(target, entry)):
            # A name that no file of a bundle can have: those begin with a letter or digit.
            part = staging / f".{entry.sha256}"
            self._need_space(entry.size - self._blobs.held_bytes(entry, part))
            self._blobs.fetch(f"{self._targets_url}{quote(f'blobs/{entry.sha256}')}", entry, part)
            self._storage.rename(part, target)
        self._complete_bytes += entry.size
        self._report.progress(self._complete_bytes, self._total_bytes)

    def _reuse(self, target: Path, entry: FileEntry) -> bool:
        """Link the file from another bundle of this device, if one has it unharmed."""
        self._storage.remove(target)
        for source in self._same_files(target, entry):
            if _is_right(source, entry):
                with contextlib.suppress(StorageError):  # it may have been cleared away just now: then download
                    self._storage.link(source, target)
                    return True
        return False

    def _same_files(self, target: Path, entry: FileEntry) -> Iterator[Path]:
        for directory in sorted(self._storage.path(BUNDLES_DIR).iterdir()):
            try:
                files = open_manifest(directory).manifest.files
            except BundleError:
                continue
            for name, other in files.items():
                if other == entry and directory / name != target:
                    yield directory / name

    def _put_in_place(self, staging: Path, final: Path, names: Sequence[str]) -> None:
        wanted = (*names, MANIFEST_NAME)
        for path in sorted(staging.iterdir()):
            if path.name not in wanted:  # records of finished parts, files of an artifact that was chosen before
                self._storage.remove(path)
        if not final.exists():
            self._storage.rename(staging, final)
            return
        # The bundle is here for another artifact, or damaged: add file by file, the manifest last.
        for name in wanted:
            if (staging / name).exists():
                self._storage.rename(staging / name, final / name)
        self._storage.remove(staging)

    def _need_space(self, size_bytes: int) -> None:
        free = self._free_bytes()
        if size_bytes + _MARGIN_BYTES > free:
            raise NoSpaceError(
                f"{self._storage.root}: {free} bytes are free, {size_bytes + _MARGIN_BYTES} are needed; free some space"
            )

    def _grown(self, size_bytes: int) -> None:
        self._report.progress(self._complete_bytes + size_bytes, self._total_bytes)


def _is_whole(directory: Path, identity: str, names: Sequence[str]) -> bool:
    try:
        open_bundle(directory, expected_id=identity, files=names)
    except BundleError:
        return False
    return True


def _is_right(path: Path, entry: FileEntry) -> bool:
    try:
        verify_file(path, entry)
    except IntegrityError:
        return False
    return True
