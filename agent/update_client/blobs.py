"""One file of a bundle over HTTP, resumed where an earlier try, process or boot stopped.

PART grows with what arrives; PART.json {digest, size, etag} says what it is a part of, and is written before the first
byte. Both become durable every few megabytes, so a small file costs no sync before it is whole. A range is asked for
with If-Range, so 206 continues, 200 starts again, 416 drops the part. Length is bounded at every chunk, the digest is
checked once, when all is there; a wrong one drops the part and is tried a second time, in case a proxy is to blame.
TUF is not involved: the signed manifest holds size and digest.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent.errors import StorageError
from agent.storage import PartFile, Storage
from agent.update_client.errors import ContentError, RefusedError, ServerError
from agent.update_client.pacing import Deadline, Retries
from agent.update_client.status import failure
from agent.update_client.transport import Reply, Transport
from edge_models.bundle import verify_file
from edge_models.errors import FieldError, IntegrityError
from edge_models.fields import canonical_json, decode_json, described
from edge_models.manifest import SHA256, FileEntry

_MAX_RECORD_BYTES = 4096
_MAX_ETAG = 200
SYNC_BYTES = 4 << 20  # a power cut loses at most this much of a download; each sync costs an SD card an erase cycle


@dataclass(frozen=True, slots=True, kw_only=True)
class _PartRecord:
    digest: str = described("Of the whole file.", pattern=SHA256)
    size: int = described("Of the whole file.", ge=0)
    etag: str | None = described("Of the answer that the part began with.", default=None, max_length=_MAX_ETAG)


class BlobDownloader:
    """Downloads files one after the other.

    Args:
        storage: Where parts grow.
        transport: Where they come from.
        deadline: End of the job.
        retries: Waits after failures.
        grown: Called with the length of the file so far after each piece.
        sync_bytes: What a power cut may cost of a download.

    Attributes:
        received_bytes: What came over the network in all.
    """

    def __init__(
        self,
        storage: Storage,
        transport: Transport,
        *,
        deadline: Deadline,
        retries: Retries,
        grown: Callable[[int], None],
        sync_bytes: int = SYNC_BYTES,
    ) -> None:
        self._storage = storage
        self._transport = transport
        self._deadline = deadline
        self._retries = retries
        self._grown = grown
        self._sync_bytes = sync_bytes
        self._is_named = False  # whether the part's record and both names are durable
        self.received_bytes = 0

    def held_bytes(self, entry: FileEntry, part: Path) -> int:
        """Length of what an earlier try left at ``part``; anything that is no part of this file is removed."""
        record = self._record(part)
        path = self._storage.path(part)
        held = path.stat().st_size if path.is_file() else 0
        if record is None or (record.digest, record.size) != (entry.sha256, entry.size) or held > entry.size:
            self.drop(part)
            return 0
        return held

    def fetch(self, url: str, entry: FileEntry, part: Path) -> None:
        """Leave the whole file, checked, at ``part``.

        Raises:
            ServerError: The server could not be reached often enough, or the deadline has passed.
            RefusedError: It does not give the file.
            ContentError: It gives something else, twice.
        """
        self._is_named = False
        for is_last in (False, True):
            self._complete(url, entry, part)
            try:
                verify_file(self._storage.path(part), entry)
            except IntegrityError as exc:
                self.drop(part)
                if is_last:
                    raise ContentError(f"{url}: {exc}; look at proxies and the registry's disk") from exc
            else:
                return

    def drop(self, part: Path) -> None:
        """Remove a part and its record."""
        self._storage.remove(part, durable=False)
        self._storage.remove(record_of(part), durable=False)

    def _complete(self, url: str, entry: FileEntry, part: Path) -> None:
        best = 0
        while (held := self.held_bytes(entry, part)) < entry.size or not self._storage.path(part).exists():
            if held > best:  # not every byte counts: a server without ranges could send the same ones for ever
                best = held
                self._retries.progressed()
            try:
                self._go_on(url, entry, part, held)
            except ServerError as exc:
                self._retries.wait(exc)
            except ContentError:
                self.drop(part)
                raise

    def _go_on(self, url: str, entry: FileEntry, part: Path, held: int) -> None:
        record = self._record(part)
        headers = {}
        if held:
            headers["range"] = f"bytes={held}-"
            if record is not None and record.etag is not None:
                headers["if-range"] = record.etag
        with self._transport.get(url, headers, timeout_s=self._deadline.left_s()) as reply:
            keep = self._accepted(url, reply, entry, part, held)
            if keep == 0:
                self._begin(entry, part, reply)
            with self._storage.open_part(part, keep_bytes=keep) as file:
                self._take(url, reply, entry, file)
        if file.size_bytes < entry.size:
            raise ServerError(f"{url}: ended after {file.size_bytes} of {entry.size} bytes")

    def _accepted(self, url: str, reply: Reply, entry: FileEntry, part: Path, held: int) -> int:
        """How many of the held bytes the answer continues."""
        status = reply.status
        if reply.headers.get("content-encoding", "identity") != "identity":
            raise RefusedError(f"{url}: comes as {reply.headers['content-encoding']}; switch compression off there")
        if status == 200:
            return 0
        if status == 206:
            span = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", reply.headers.get("content-range", ""))
            if span and (int(span[1]), int(span[3])) == (held, entry.size):
                return held
        if status in (206, 416):
            self.drop(part)
            raise ServerError(f"{url}: answers {status} {reply.headers.get('content-range', '')} to byte {held}")
        raise failure(url, reply)

    def _begin(self, entry: FileEntry, part: Path, reply: Reply) -> None:
        etag = reply.headers.get("etag")
        if etag is not None and (etag.startswith("W/") or len(etag) > _MAX_ETAG):
            etag = None  # RFC 9110 section 13.1.5: If-Range takes strong validators only
        self.drop(part)
        self._is_named = False
        record = _PartRecord(digest=entry.sha256, size=entry.size, etag=etag)
        self._storage.write_atomic(record_of(part), canonical_json(record), durable=False)

    def _take(self, url: str, reply: Reply, entry: FileEntry, file: PartFile) -> None:
        unsynced = 0
        for chunk in reply.chunks:
            if file.size_bytes + len(chunk) > entry.size:
                raise ContentError(f"{url}: more than the {entry.size} bytes that the manifest signs")
            file.append(chunk)
            self.received_bytes += len(chunk)
            self._grown(file.size_bytes)
            unsynced += len(chunk)
            if unsynced >= self._sync_bytes:
                self._make_durable(file)
                unsynced = 0
            self._deadline.left_s()

    def _make_durable(self, file: PartFile) -> None:
        file.sync()
        if not self._is_named:  # the name of part and record, once
            self._storage.sync_file(record_of(file.path))
            self._storage.sync_dir(file.path.parent)
            self._is_named = True

    def _record(self, part: Path) -> _PartRecord | None:
        try:
            data = self._storage.read(record_of(part), max_bytes=_MAX_RECORD_BYTES)
            return None if data is None else decode_json(_PartRecord, data, max_bytes=_MAX_RECORD_BYTES)
        except (FieldError, StorageError):
            return None  # torn or foreign: the part is then dropped, which only costs a download


def record_of(part: Path) -> Path:
    """Name of the record beside a part."""
    return part.with_name(part.name + ".json")
