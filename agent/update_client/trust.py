"""TUF: which metadata this device trusts, and signed targets by path. The only file of the agent that knows python-tuf.

The order of a job:

    repository = TrustedRepository(...)      one for each look: python-tuf takes the time once, when it is made
    data = repository.target(path, ...)      refresh, find, judge, make durable, download, compare

What is added to python-tuf's client workflow:

* Expiry is judged again against the later of the clock and the latest time the device was ever sure of, because a Pi
  without a battery wakes up in the past, where everything looks fresh.
* python-tuf replaces metadata without fsync. Changed metadata is synced before anything is done that relies on it, and
  the versions seen are kept in a record of our own, so that metadata which a power cut tore is not an open door for a
  rollback.
* Targets are small documents here (a channel, a manifest): they are read into memory, bounded. One that is looked at
  again and again is kept beside the metadata and taken from there as long as the signed digest is its own, so that a
  look at a registry where nothing has changed asks for the next root and the timestamp, and for nothing else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import quote

from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    DownloadHTTPError,
    DownloadLengthMismatchError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
)
from tuf.api.metadata import Metadata, Root, Signed, TargetFile, Targets
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from agent.errors import StorageError
from agent.storage import Storage
from agent.update_client.errors import (
    ContentError,
    ExpiredError,
    NotPublishedError,
    RefusedError,
    RollbackError,
    ServerError,
    TrustError,
)
from agent.update_client.pacing import Deadline
from agent.update_client.seen import SeenVersions
from agent.update_client.status import failure
from agent.update_client.transport import Transport

METADATA_DIR = "tuf/metadata"
_TOP_ROLES = ("root", "timestamp", "snapshot", "targets")
_MAX_METADATA_BYTES = 5_000_000
_CONFIG = UpdaterConfig(
    max_root_rotations=256,
    max_delegations=8,
    root_max_length=256_000,
    timestamp_max_length=16_384,
    snapshot_max_length=512_000,
    targets_max_length=_MAX_METADATA_BYTES,
)


class TrustedRepository:
    """One look at a registry through its signatures.

    Args:
        storage: The state directory.
        transport: The way to the registry.
        deadline: End of the job.
        metadata_url: Where metadata lies.
        targets_url: Where targets lie.
        root: The trusted root metadata.
        now_s: The latest of all POSIX times that the device may believe in.
    """

    def __init__(
        self,
        storage: Storage,
        transport: Transport,
        deadline: Deadline,
        *,
        metadata_url: str,
        targets_url: str,
        root: bytes,
        now_s: float,
    ) -> None:
        self._storage = storage
        self._fetcher = _Fetcher(transport, deadline)
        self._metadata_url = metadata_url
        self._targets_url = targets_url.rstrip("/") + "/"
        self._root = root
        self._now = datetime.fromtimestamp(now_s, UTC)
        self._seen = SeenVersions(storage)
        self.versions: dict[str, int] = {}

    @property
    def fresh_until_s(self) -> float | None:
        """When the first of the newest metadata that this device has accepted expires, POSIX seconds; None for none."""
        with contextlib.suppress(RepositoryError, StorageError):
            return min(self._load(role).expires.timestamp() for role in _TOP_ROLES)
        return None

    def target(self, path: str, *, max_bytes: int, keep: str | None = None) -> bytes:
        """The content of a signed target, after a refresh of everything that leads to it.

        Args:
            path: Of the target.
            max_bytes: Bound on its length.
            keep: Name of the file in the state directory that keeps the content for the next look.

        Raises:
            ClientError: See ``agent.update_client.errors``; each kind of attack has its class.
            StorageError: Metadata could not be stored.
        """
        directory = self._storage.make_dir(METADATA_DIR)
        self._remove_left_overs()
        before = self._on_disk()
        with _translated():
            try:
                updater = Updater(
                    str(directory), self._metadata_url, fetcher=self._fetcher, config=_CONFIG, bootstrap=self._root
                )
                updater.refresh()
                found = updater.get_targetinfo(path)
            finally:
                if self._on_disk() != before:
                    self._storage.sync_tree(METADATA_DIR)
            self._judge(path)
            if found is None:
                raise NotPublishedError(f"{path}: not in the registry's signed lists; publish it, or set the channel")
            if found.length > max_bytes:
                raise ContentError(f"{path}: {found.length} bytes are signed, at most {max_bytes} are accepted")
            if keep is None:
                return self._download(found)
            data = self._kept(found, keep)
            if data is None:
                data = self._download(found)
                self._storage.write_atomic(keep, data)
            return data

    def _kept(self, target: TargetFile, keep: str) -> bytes | None:
        with contextlib.suppress(StorageError, LengthOrHashMismatchError):
            data = self._storage.read(keep, max_bytes=target.length)
            if data is not None:
                target.verify_length_and_hashes(data)
            return data
        return None

    def _download(self, target: TargetFile) -> bytes:
        head, slash, name = target.path.rpartition("/")
        digest = target.hashes.get("sha256")
        if digest is None:
            raise TrustError(f"{target.path}: signed without a sha256")
        url = f"{self._targets_url}{quote(f'{head}{slash}{digest}.{name}')}"  # consistent snapshot, TUF section 6.2
        data = self._fetcher.download_bytes(url, target.length)
        try:
            target.verify_length_and_hashes(data)
        except LengthOrHashMismatchError as exc:
            raise ContentError(f"{url}: {exc}") from exc
        return data

    def _judge(self, path: str) -> None:
        """Hold what was just verified against time and memory."""
        roles = {role: self._load(role) for role in _TOP_ROLES}
        root, targets = cast("Root", roles["root"]), cast("Targets", roles["targets"])
        if targets.delegations is not None:
            delegated = targets.delegations.get_roles_for_target(path)
            roles |= {role: self._load(role) for role, _ in delegated}
        for role, signed in roles.items():
            if signed.is_expired(self._now):
                raise ExpiredError(
                    f"{role} metadata expired on {signed.expires:%Y-%m-%d %H:%M} UTC, and it is "
                    f"{self._now:%Y-%m-%d %H:%M} at least; run `driftline-fleet registry renew`"
                )
        self.versions = {role: signed.version for role, signed in roles.items()}
        keys = {role: sorted(root.roles[role].keyids) for role in ("root", "timestamp", "snapshot")}
        self._seen.remember({role: (self.versions[role], keyids) for role, keyids in keys.items()})

    def _load(self, role: str) -> Signed:
        """What python-tuf just verified and stored."""
        data = self._storage.read(f"{METADATA_DIR}/{role}.json", max_bytes=_MAX_METADATA_BYTES)
        signed: Signed = Metadata[Any].from_bytes(data or b"").signed
        return signed

    def _on_disk(self) -> dict[str, tuple[int, int]]:
        """What tells whether metadata changed: python-tuf replaces files, so new content is a new inode."""
        directory = self._storage.path(METADATA_DIR)
        stats = {path.name: path.stat() for path in directory.glob("*.json") if not path.is_symlink()}
        roots = len(list(directory.glob("root_history/*.json")))
        return {"root_history": (roots, 0)} | {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in stats.items()}

    def _remove_left_overs(self) -> None:
        """Temporary files of a python-tuf that was killed; it never looks for them itself."""
        for path in self._storage.path(METADATA_DIR).iterdir():
            if path.is_file() and path.suffix != ".json":
                self._storage.remove(path)


class _Fetcher(FetcherInterface):
    """python-tuf's way to the network: our transport, into memory, bounded in bytes and time."""

    def __init__(self, transport: Transport, deadline: Deadline) -> None:
        """Keep the way and its end."""
        self._transport = transport
        self._deadline = deadline

    def _fetch(self, url: str) -> Iterator[bytes]:
        with self._transport.get(url, {}, timeout_s=self._deadline.left_s()) as reply:
            if reply.status != 200:
                error = failure(url, reply)
                if isinstance(error, RefusedError):  # of a root's next version python-tuf asks only whether it is there
                    raise DownloadHTTPError(str(error), reply.status) from error
                raise error
            for chunk in reply.chunks:
                self._deadline.left_s()
                yield chunk

    def download_bytes(self, url: str, max_length: int) -> bytes:
        """The body, without the temporary file on a disk that python-tuf would use."""
        data = bytearray()
        for chunk in self._fetch(url):
            data += chunk
            if len(data) > max_length:
                raise DownloadLengthMismatchError(f"{url}: more than the {max_length} bytes that were signed")
        return bytes(data)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Turn what python-tuf raises into our errors; ours pass through."""
    try:
        yield
    except ExpiredMetadataError as exc:
        raise ExpiredError(f"{exc}; run `driftline-fleet registry renew`, or set the device's clock") from exc
    except BadVersionNumberError as exc:
        raise RollbackError(f"{exc}; the registry offers older metadata than this device has seen") from exc
    except DownloadLengthMismatchError as exc:
        raise ContentError(str(exc)) from exc
    except DownloadHTTPError as exc:
        raise RefusedError(str(exc)) from exc
    except DownloadError as exc:
        raise ServerError(str(exc)) from exc
    except RepositoryError as exc:
        raise TrustError(f"{exc}; the registry is not the one that root.json is for, or was tampered with") from exc
    except OSError as exc:
        raise StorageError(f"metadata cannot be stored: {exc}") from exc
