"""Do one job with the ports that it is given, and report how it ended."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, assert_never

from agent.errors import StorageError
from agent.ports import Clock, Sleeper
from agent.storage import Storage
from agent.update_client.blobs import BlobDownloader
from agent.update_client.errors import ClientError, ContentError, NoSpaceError, TrustError, UnfitError
from agent.update_client.fetch import BundleFetcher, choose_files
from agent.update_client.job import CheckJob, FetchJob, Job
from agent.update_client.pacing import Deadline, Retries
from agent.update_client.report import Report
from agent.update_client.transport import Transport
from agent.update_client.trust import TrustedRepository
from edge_models.channel import MAX_CHANNEL_BYTES, Channel, channel_target, manifest_target
from edge_models.engines import available_runtimes
from edge_models.errors import FieldError
from edge_models.manifest import MAX_MANIFEST_BYTES

_MAX_ROOT_BYTES = 256_000
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}


class TimeSource(Clock, Sleeper, Protocol):
    """Tells the time and waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a job needs from outside.

    Attributes:
        storage: Opens the state directory.
        transport: The way to the registry.
        time: For deadlines, expiry and waits.
        rng: For the jitter of waits.
        free_bytes: How much the disk of a directory still takes.
    """

    storage: Callable[[Path], Storage]
    transport: Transport
    time: TimeSource
    rng: random.Random
    free_bytes: Callable[[Path], int]


def run(job: Job, tools: Tools, report: Report) -> None:
    """Do the job; its end, good or bad, is the last event of the report."""
    try:
        match job:
            case CheckJob():
                _check(job, tools, report)
            case FetchJob():
                _fetch(job, tools, report)
            case _:
                assert_never(job)
    except ClientError as exc:
        report.error(exc.code, str(exc), is_transient=exc.IS_TRANSIENT)
    except StorageError as exc:
        is_full = isinstance(exc.__cause__, OSError) and exc.__cause__.errno in _DISK_FULL
        report.error(NoSpaceError.CODE if is_full else "storage", str(exc), is_transient=False)


def _check(job: CheckJob, tools: Tools, report: Report) -> None:
    deadline = Deadline(tools.time, job.timeout_s)
    retries = Retries(deadline, tools.time, tools.rng)
    storage = tools.storage(Path(job.state_dir))
    path = channel_target(job.model, job.channel)
    data, versions = _trusted_target(job, tools, storage, deadline, retries, path=path, max_bytes=MAX_CHANNEL_BYTES)
    try:
        channel = Channel.from_bytes(data)
    except FieldError as exc:
        raise UnfitError(f"{path}: {exc}; this agent may be older than the registry") from exc
    if (channel.model, channel.channel) != (job.model, job.channel):
        raise ContentError(f"{path}: holds channel {channel.model}/{channel.channel}")
    report.channel(channel, versions)


def _fetch(job: FetchJob, tools: Tools, report: Report) -> None:
    deadline = Deadline(tools.time, job.timeout_s)
    retries = Retries(deadline, tools.time, tools.rng)
    storage = tools.storage(Path(job.state_dir))
    path = manifest_target(job.bundle)
    data, _ = _trusted_target(job, tools, storage, deadline, retries, path=path, max_bytes=MAX_MANIFEST_BYTES)
    runtimes = available_runtimes() if job.runtimes is None else job.runtimes
    manifest, artifact = choose_files(
        data,
        bundle=job.bundle,
        model=job.model,
        artifact=job.artifact,
        runtimes=runtimes,
        max_bytes=job.max_bytes,
    )
    fetcher = BundleFetcher(
        storage,
        lambda grown: BlobDownloader(storage, tools.transport, deadline=deadline, retries=retries, grown=grown),
        targets_url=job.targets_url,
        report=report,
        free_bytes=lambda: tools.free_bytes(storage.root),
        runtimes=runtimes,
    )
    fetcher.fetch(data, manifest, artifact)


def _trusted_target(
    job: Job, tools: Tools, storage: Storage, deadline: Deadline, retries: Retries, *, path: str, max_bytes: int
) -> tuple[bytes, dict[str, int]]:
    root = _read_root(Path(job.root))
    now_s = max(tools.time.utc_s() or 0.0, job.now_floor)

    def look() -> tuple[bytes, dict[str, int]]:
        repository = TrustedRepository(
            storage,
            tools.transport,
            deadline,
            metadata_url=job.metadata_url,
            targets_url=job.targets_url,
            root=root,
            now_s=now_s,
        )
        return repository.target(path, max_bytes=max_bytes), repository.versions

    found = retries.call(look)
    retries.progressed()
    return found


def _read_root(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_MAX_ROOT_BYTES)
    except OSError as exc:
        raise TrustError(f"update.root {path}: {exc.strerror}; copy root.json from the registry") from exc
