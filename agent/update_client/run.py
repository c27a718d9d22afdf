"""Do one job with the ports that it is given, and report how it ended."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, assert_never

from agent.errors import StorageError
from agent.ports import Clock, Sleeper
from agent.storage import Storage
from agent.update_client.blobs import BlobDownloader
from agent.update_client.errors import (
    BudgetError,
    ClientError,
    ContentError,
    NoSpaceError,
    ServerError,
    TrustError,
    UnfitError,
)
from agent.update_client.fetch import BundleFetcher, choose_files
from agent.update_client.job import CheckJob, FetchJob, Job
from agent.update_client.limits import DailyBudget, RateLimited
from agent.update_client.pacing import Deadline, Retries
from agent.update_client.report import Report
from agent.update_client.transport import Transport
from agent.update_client.trust import TrustedRepository
from edge_models.channel import MAX_CHANNEL_BYTES, Channel, channel_target, manifest_target
from edge_models.engines import available_runtimes
from edge_models.errors import FieldError
from edge_models.manifest import MAX_MANIFEST_BYTES

CHANNEL_FILE = "tuf/channel.json"
BUDGET_SPREAD_S = 1800.0
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
        wait_s = exc.retry_after_s if isinstance(exc, ServerError) else None
        if isinstance(exc, BudgetError) and wait_s is not None:  # else all devices would come at midnight
            wait_s += tools.rng.uniform(0, BUDGET_SPREAD_S)
        report.error(exc.code, str(exc), is_transient=exc.IS_TRANSIENT, retry_after_s=wait_s)
    except StorageError as exc:
        is_full = isinstance(exc.__cause__, OSError) and exc.__cause__.errno in _DISK_FULL
        report.error(NoSpaceError.CODE if is_full else "storage", str(exc), is_transient=False)


def _check(job: CheckJob, tools: Tools, report: Report) -> None:
    means = _Means(job, tools, report)
    path = channel_target(job.model, job.channel)
    with means.settling():
        data, versions = means.trusted_target(path, max_bytes=MAX_CHANNEL_BYTES, keep=CHANNEL_FILE)
    try:
        channel = Channel.from_bytes(data)
    except FieldError as exc:
        raise UnfitError(f"{path}: {exc}; this agent may be older than the registry") from exc
    if (channel.model, channel.channel) != (job.model, job.channel):
        raise ContentError(f"{path}: holds channel {channel.model}/{channel.channel}")
    report.channel(channel, versions)


def _fetch(job: FetchJob, tools: Tools, report: Report) -> None:
    means = _Means(job, tools, report)
    with means.settling():
        data, _ = means.trusted_target(manifest_target(job.bundle), max_bytes=MAX_MANIFEST_BYTES)
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
            means.storage,
            means.downloader,
            targets_url=job.targets_url,
            report=report,
            free_bytes=lambda: tools.free_bytes(means.storage.root),
            runtimes=runtimes,
        )
        fetcher.fetch(data, manifest, artifact)


class _Means:
    """What a job works with: its end, its storage, and the way to the registry with its bounds."""

    def __init__(self, job: Job, tools: Tools, report: Report) -> None:
        self._job = job
        self._report = report
        self._deadline = Deadline(tools.time, job.timeout_s)
        self._retries = Retries(self._deadline, tools.time, tools.rng)
        self._now_s = max(tools.time.utc_s() or 0.0, job.now_floor)
        self.storage = tools.storage(Path(job.state_dir))
        self._metadata = self._files = tools.transport
        if job.max_bytes_per_s:
            self._metadata = self._files = RateLimited(tools.transport, job.max_bytes_per_s, tools.time, tools.time)
        self._budget: DailyBudget | None = None
        if job.max_bytes_per_day:
            self._budget = DailyBudget(self.storage, tools.time, job.max_bytes_per_day)
            self._metadata, self._files = self._budget.counted(self._metadata), self._budget.limited(self._files)

    @contextmanager
    def settling(self) -> Iterator[None]:
        """Write down what came when the block ends, however it ends."""
        try:
            yield
        finally:
            if self._budget is not None:
                self._budget.settle()

    def downloader(self, grown: Callable[[int], None]) -> BlobDownloader:
        """Downloads files."""
        return BlobDownloader(self.storage, self._files, deadline=self._deadline, retries=self._retries, grown=grown)

    def trusted_target(self, path: str, *, max_bytes: int, keep: str | None = None) -> tuple[bytes, dict[str, int]]:
        """A signed target, and the versions of the metadata that it rests on; tried again while the network fails."""
        found = self._retries.call(partial(self._look, _read_root(Path(self._job.root)), path, max_bytes, keep))
        self._retries.progressed()
        return found

    def _look(self, root: bytes, path: str, max_bytes: int, keep: str | None) -> tuple[bytes, dict[str, int]]:
        repository = TrustedRepository(
            self.storage,
            self._metadata,
            self._deadline,
            metadata_url=self._job.metadata_url,
            targets_url=self._job.targets_url,
            root=root,
            now_s=self._now_s,
        )
        try:
            return repository.target(path, max_bytes=max_bytes, keep=keep), repository.versions
        finally:
            self._report.fresh_until_s = repository.fresh_until_s


def _read_root(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_MAX_ROOT_BYTES)
    except OSError as exc:
        raise TrustError(f"update.root {path}: {exc.strerror}; copy root.json from the registry") from exc
