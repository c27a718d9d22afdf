"""Get a bundle: its signed manifest, then the files of one artifact.

Files gather in ``blobs/`` under their digests; once all are there, the bundle is made of links to them. A file is
taken from another bundle of this device when one has it, and downloaded otherwise. Every step leaves a state from
which the next run of the same job goes on; nothing that is complete is fetched again. What an earlier target left that
neither this bundle nor one on the device needs goes before the download, so a row of superseded targets cannot fill
the disk.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from agent.blob_store import BLOBS_DIR, BUNDLES_DIR, BlobStore, is_right, listed, names_in
from agent.errors import StorageError
from agent.storage import Storage
from agent.update_client.blobs import BlobDownloader, record_of
from agent.update_client.errors import ContentError, NoSpaceError, TooLargeError, UnfitError
from agent.update_client.report import Report
from edge_models.bundle import open_bundle, open_manifest
from edge_models.engines import choose_artifact, device_files
from edge_models.errors import BundleError, EngineError, ManifestError
from edge_models.manifest import FileEntry, Manifest, bundle_id, short

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
        self._store = BlobStore(storage)
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
        files = {name: manifest.files[name] for name in names}
        directory = self._storage.path(f"{BUNDLES_DIR}/{identity}")
        self._report.manifest(artifact, self._total_bytes)
        if _is_whole(directory, identity, names):
            self._report.progress(self._total_bytes, self._total_bytes)
        else:
            self._store.make()
            wanted = frozenset(entry.sha256 for entry in manifest.files.values())
            self._store.prune(wanted | self._on_device(), under_way=wanted)
            self._gather(files)
            directory = self._store.assemble(identity, data, files)
        received = self._blobs.received_bytes
        reused = max(0, self._total_bytes - received)
        self._report.done(bundle=identity, artifact=artifact, directory=directory, downloaded=received, reused=reused)
        return directory

    def _on_device(self) -> frozenset[str]:
        """Digests that a bundle on this device lists."""
        bundles = self._storage.path(BUNDLES_DIR)
        return frozenset().union(*(listed(bundles / name) or () for name in names_in(bundles)))

    def _gather(self, files: Mapping[str, FileEntry]) -> None:
        """Have a blob of each file."""
        missing = []
        for entry in files.values():
            if self._store.holds(entry) or self._reuse(entry):
                self._complete_bytes += entry.size
                self._report.progress(self._complete_bytes, self._total_bytes)
            else:
                missing.append(entry)
        self._need_space(
            sum(entry.size - self._blobs.held_bytes(entry, self._store.part(entry.sha256)) for entry in missing)
        )
        for entry in missing:
            url = f"{self._targets_url}{quote(f'{BLOBS_DIR}/{entry.sha256}')}"
            part = self._store.part(entry.sha256)
            self._blobs.fetch(url, entry, part)
            self._store.keep_part(entry)
            self._storage.remove(record_of(part), durable=False)
            self._complete_bytes += entry.size
            self._report.progress(self._complete_bytes, self._total_bytes)

    def _reuse(self, entry: FileEntry) -> bool:
        """Link the file from a bundle of this device, if one has it unharmed."""
        for source in self._same_files(entry):
            if is_right(source, entry):
                with contextlib.suppress(StorageError):  # it may have been cleared away just now: then download
                    self._store.link_from(source, entry)
                    return True
        return False

    def _same_files(self, entry: FileEntry) -> Iterator[Path]:
        bundles = self._storage.path(BUNDLES_DIR)
        for directory in names_in(bundles):
            try:
                files = open_manifest(bundles / directory).manifest.files
            except BundleError:
                continue
            yield from (bundles / directory / name for name, other in files.items() if other == entry)

    def _need_space(self, size_bytes: int) -> None:
        free = self._free_bytes()
        if size_bytes and size_bytes + _MARGIN_BYTES > free:
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
