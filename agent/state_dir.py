"""The state directory: records, bundles and counters, on top of ``Storage``.

    active.json  update.json  request.json  episode.json  time_floor.json  boot  outbox.sqlite  tuf/
    blobs/  bundles/  as ``blob_store`` says
    drift/ID.trigger, drift/ID.contexts   what its worker knew of drift: the worker's own bytes
    adapted/ID        what was learnt here on an artifact of that bundle: a line of JSON, then the worker's bytes

A record that cannot be read is put aside (``.bad``) and counts as missing: a damaged file must not keep the device
from starting.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from agent.blob_store import BlobStore, is_bundle_id, listed, names_in
from agent.core.commands import DriftKind
from agent.core.episode_record import EPISODE_FILE, EpisodeRecord
from agent.core.records import (
    ACTIVE_FILE,
    BUNDLES_DIR,
    MAX_RECORD_BYTES,
    PART_SUFFIX,
    REQUEST_FILE,
    UPDATE_FILE,
    ActiveRecord,
    UpdateRecord,
)
from agent.core.request_record import RequestRecord
from agent.errors import StorageError
from agent.ipc import MAX_BODY_BYTES
from agent.storage import Storage
from edge_models.bundle import Bundle, open_manifest
from edge_models.engines.registry import device_files
from edge_models.errors import BundleError, FieldError
from edge_models.fields import canonical_json, decode_json, described
from edge_models.manifest import MANIFEST_NAME

R = TypeVar("R")
log = logging.getLogger(__name__)

ADAPTED_DIR = "adapted"
DRIFT_DIR = "drift"
MAX_DRIFT_BYTES = 256 * 1024
_MAX_ADAPTED_BYTES = MAX_BODY_BYTES + 1024
BOOT_FILE = "boot"
_MAX_BOOT = 1 << 53  # what JSON holds, and more starts than a device sees
TIME_FLOOR_FILE = "time_floor.json"
OUTBOX_FILE = "outbox.sqlite"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeFloor:
    """time_floor.json: the latest time of which this device was sure."""

    utc_s: float = described("POSIX seconds.", ge=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptedRecord:
    """The first line of a file in adapted/."""

    v: int = described("Version of the document.", default=1, ge=1, le=1)
    artifact: str = described("The artifact that was learnt on.", max_length=40)


class StateDir:
    """Reads and writes what must survive a restart.

    Args:
        storage: On the state directory.
    """

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self._blobs = BlobStore(storage)

    @property
    def root(self) -> Path:
        """Where it lies."""
        return self.storage.root

    def read_update(self) -> UpdateRecord | None:
        """update.json, or None."""
        return self._read(UPDATE_FILE, UpdateRecord)

    def read_active(self) -> ActiveRecord | None:
        """active.json, or None."""
        return self._read(ACTIVE_FILE, ActiveRecord)

    def read_request(self) -> RequestRecord | None:
        """request.json, or None."""
        return self._read(REQUEST_FILE, RequestRecord)

    def write_update(self, record: UpdateRecord) -> None:
        """Make update.json durable."""
        self.storage.write_atomic(UPDATE_FILE, canonical_json(record))

    def write_request(self, record: RequestRecord) -> None:
        """Make request.json durable."""
        self.storage.write_atomic(REQUEST_FILE, canonical_json(record))

    def read_episode(self) -> EpisodeRecord | None:
        """episode.json, or None."""
        return self._read(EPISODE_FILE, EpisodeRecord)

    def write_episode(self, record: EpisodeRecord) -> None:
        """Make episode.json durable."""
        self.storage.write_atomic(EPISODE_FILE, canonical_json(record))

    def write_active(self, active: ActiveRecord | None) -> None:
        """Make active.json durable, or remove it."""
        if active is None:
            self.storage.remove(ACTIVE_FILE)
        else:
            self.storage.write_atomic(ACTIVE_FILE, canonical_json(active))

    def next_boot(self, utc_s: float | None) -> int:
        """Count this start; with (boot, seq) a reader sees gaps and duplicates.

        A start that cannot be counted, because the disk is full or read-only, takes the time for its number: the model
        has to run even so, and the next start must not have the same number. So does one whose count is damaged:
        messages with numbers that came long ago would be taken for those.
        """
        boot = self._boots() + 1
        if not 0 < boot <= _MAX_BOOT:
            log.warning("record damaged file=%s", BOOT_FILE)
            boot = max(1, int(utc_s or self.read_time_floor_s()))
        try:
            self.storage.write_atomic(BOOT_FILE, b"%d\n" % boot)
        except StorageError as exc:
            log.warning("start not counted reason=%s", exc)
            return max(boot, int(utc_s or 0))
        return boot

    def _boots(self) -> int:
        """Starts so far, below 0 where nobody knows."""
        try:
            data = self.storage.read(BOOT_FILE, max_bytes=20)
            return 0 if data is None else int(data)
        except (ValueError, StorageError):
            return -1

    def read_time_floor_s(self) -> float:
        """The latest time that this device was sure of; 0 for none."""
        floor = self._read(TIME_FLOOR_FILE, TimeFloor)
        return 0.0 if floor is None else floor.utc_s

    def write_time_floor_s(self, utc_s: float) -> None:
        """Raise it."""
        self.storage.write_atomic(TIME_FLOOR_FILE, canonical_json(TimeFloor(utc_s=utc_s)))

    def bundle_dir(self, bundle: str) -> Path:
        """Where a whole bundle lies, or would."""
        return self.root / BUNDLES_DIR / bundle

    def present(self, model: str | None = None) -> frozenset[str]:
        """Ids of the bundles that are whole (they get their name only then) and, if asked, of this model."""
        return frozenset(name for name in self._bundle_names() if is_bundle_id(name) and self._is(name, model))

    def keep_bundles(self, keep: Iterable[str]) -> None:
        """Remove every other bundle, whole or not, and the blobs that only they had.

        A bundle to keep whose manifest is not here, because its download has yet to begin, may need any blob: then
        they stay, and the download removes those that are not its own. What active.json names stays in any case: it
        may say something else than the caller, when it could not be written.
        """
        pointer = self.read_active()
        pinned = (
            ()
            if pointer is None
            else (pointer.bundle, *(() if pointer.previous is None else (pointer.previous.bundle,)))
        )
        kept = {*keep, *pinned}
        for name in self._bundle_names():
            if name.removesuffix(PART_SUFFIX) not in kept:
                self.storage.remove(Path(BUNDLES_DIR) / name, durable=is_bundle_id(name))
        needed = [listed(self.bundle_dir(name)) for name in kept]
        if None not in needed:
            self._blobs.prune(frozenset().union(*(digests or () for digests in needed)))
        for folder in (ADAPTED_DIR, DRIFT_DIR):
            for name in self._names(folder):
                if name.partition(".")[0] not in kept:
                    self.storage.remove(Path(folder) / name, durable=False)

    def write_adapted(self, bundle: str, artifact: str, body: bytes) -> None:
        """Make durable what was learnt on an artifact of a bundle, as its worker packed it."""
        self.storage.make_dir(ADAPTED_DIR)
        self.storage.write_atomic(f"{ADAPTED_DIR}/{bundle}", canonical_json(AdaptedRecord(artifact=artifact)) + body)

    def read_adapted(self, bundle: str, artifact: str) -> bytes | None:
        """What was learnt on that artifact, or None; the worker looks whether the bytes are whole."""
        name = f"{ADAPTED_DIR}/{bundle}"
        try:
            data = self.storage.read(name, max_bytes=_MAX_ADAPTED_BYTES)
            if data is None:
                return None
            head, _, body = data.partition(b"\n")
            record = decode_json(AdaptedRecord, head, max_bytes=MAX_RECORD_BYTES)
        except (FieldError, StorageError) as exc:
            self.put_aside(name, exc)
            return None
        return body if record.artifact == artifact else None

    def write_drift(self, bundle: str, kind: DriftKind, body: bytes) -> None:
        """Make durable what the worker of a bundle knows of its stream; empty bytes remove it."""
        name = f"{DRIFT_DIR}/{bundle}.{kind}"
        if not body:
            self.storage.remove(name)
            return
        self.storage.make_dir(DRIFT_DIR)
        self.storage.write_atomic(name, body)

    def read_drift(self, bundle: str, kind: DriftKind) -> bytes | None:
        """What a worker of that bundle knew, or None; the worker looks whether the bytes are whole and still fit."""
        name = f"{DRIFT_DIR}/{bundle}.{kind}"
        try:
            return self.storage.read(name, max_bytes=MAX_DRIFT_BYTES)
        except StorageError as exc:
            self.put_aside(name, exc)
            return None

    def install(self, bundle: Bundle, artifact: str, runtimes: Iterable[str] = ()) -> None:
        """Copy manifest and the files that one artifact needs with these runtimes, of a checked bundle elsewhere."""
        if bundle.id in self.present():
            return
        names = device_files(bundle.manifest, artifact, runtimes)
        files = {name: bundle.manifest.files[name] for name in names}
        self._blobs.make(durable=False)  # what is copied can be copied again
        for name, entry in files.items():
            if not self._blobs.holds(entry):
                self._blobs.copy_from(bundle.directory / name, entry)
        manifest = self._manifest_of(bundle)
        self._blobs.assemble(bundle.id, manifest, files)

    def put_aside(self, name: str, reason: object) -> None:
        """Rename a damaged file, so that it can be looked at and does no more harm."""
        log.warning("record damaged file=%s reason=%s", name, reason)
        with contextlib.suppress(StorageError):  # a disk that takes no change
            self.storage.rename(name, f"{name}.bad", durable=False)

    def _read(self, name: str, kind: type[R]) -> R | None:
        try:
            data = self.storage.read(name, max_bytes=MAX_RECORD_BYTES)
            return None if data is None else decode_json(kind, data, max_bytes=MAX_RECORD_BYTES)
        except (FieldError, StorageError) as exc:
            self.put_aside(name, exc)
            return None

    def _bundle_names(self) -> list[str]:
        return self._names(BUNDLES_DIR)

    def _names(self, folder: str) -> list[str]:
        return names_in(self.root / folder)

    def _manifest_of(self, bundle: Bundle) -> bytes:
        try:
            return (bundle.directory / MANIFEST_NAME).read_bytes()
        except OSError as exc:
            raise StorageError(f"{bundle.directory}: its manifest cannot be read: {exc.strerror}") from exc

    def _is(self, name: str, model: str | None) -> bool:
        try:
            bundle = open_manifest(self.bundle_dir(name))
        except BundleError as exc:
            log.warning("bundle damaged bundle=%s reason=%s", name[:12], exc)
            return False
        return bundle.id == name and model in (None, bundle.manifest.model)
