"""The short-lived children: a look at the channel, a download, a verification. At most one of each.

Checks and downloads both refresh the signed metadata in the state directory, so one waits while the other does; a
download that has its manifest no longer touches them, and a check may overtake it. A child that was told to wait, by
the registry or by the day's budget, is not started again before that time: a look waits here, a download is told off.
"""

from __future__ import annotations

import json
import logging
import select
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from agent.block_relay import BlockRelay, is_question
from agent.config import AgentConfig, UpdateConfig
from agent.core import events as ev
from agent.core.records import Target
from agent.errors import ChildError, IpcError
from agent.inventory import pinned
from agent.job_lines import KINDS, Kind, advice_of, events_of, failure, is_end
from agent.parts import Watched
from agent.process import JobProcess
from agent.state_dir import StateDir
from agent.trusted_time import TrustedTime
from edge_models.errors import FieldError
from edge_models.manifest import BundleId
from edge_models.wire.files import FileBlock

log = logging.getLogger(__name__)

GRACE_S = 5.0  # after the time that the job itself keeps to


@dataclass(slots=True, kw_only=True)
class _Running:
    process: JobProcess
    deadline_s: float
    has_reported: bool = False


class Jobs:
    """Starts them, reads them, ends them.

    Args:
        config: Of the agent.
        state_dir: Where they work.
        runtimes: What runs here, with versions.
        time: The latest time that this device was sure of; told how long accepted metadata hold.
        relay: To the registry, where it is reached through the broker.
        spawn: Starts a child from its module's name, its arguments and its document.
    """

    def __init__(
        self,
        config: AgentConfig,
        state_dir: StateDir,
        *,
        runtimes: Mapping[str, str],
        time: TrustedTime,
        relay: BlockRelay | None = None,
        spawn: Callable[..., JobProcess] = JobProcess,
    ) -> None:
        self._config = config
        self._state_dir = state_dir
        self._runtimes = pinned(runtimes)
        self._time = time
        self._relay = relay
        self._spawn = spawn
        self._not_before_s: dict[Kind, float] = {}
        self._put_off: ev.FetchFailed | None = None
        self._running: dict[Kind, _Running] = {}
        self._waiting_check = False
        self._waiting_fetch: Target | None = None
        self._fetching = BundleId("")
        self._refreshing = False

    @property
    def processes(self) -> dict[Kind, JobProcess]:
        """The children that run."""
        return {kind: running.process for kind, running in self._running.items()}

    def check(self, now_s: float) -> list[ev.Event]:
        """Look at the channel."""
        update = self._config.update
        if update is None:
            return []
        if self._refreshing or self._must_wait("check", now_s):
            self._waiting_check = True
            return []
        self._waiting_check = False
        document = {**self._where(update, update.check_timeout_s), "op": "check", "channel": self._config.channel}
        return self._start("check", ["agent.update_client"], document, update.check_timeout_s, now_s)

    def fetch(self, target: Target, now_s: float) -> list[ev.Event]:
        """Download a bundle."""
        update = self._config.update
        if update is None:
            message = "agent.yaml has no update section"
            return [ev.FetchFailed(bundle=target.bundle, code="no_registry", message=message)]
        if "check" in self._running:
            self._waiting_fetch = target
            return []
        self._waiting_fetch = None
        self._fetching = target.bundle
        if self._put_off is not None and self._must_wait("fetch", now_s):  # an earlier one was told to wait
            return [replace(self._put_off, bundle=target.bundle, retry_after_s=self._not_before_s["fetch"] - now_s)]
        self._refreshing = True
        document = {
            **self._where(update, update.download_timeout_s),
            "op": "fetch",
            "bundle": target.bundle,
            "artifact": self._config.artifact,
            "runtimes": self._runtimes,
            "max_bytes": update.max_bundle_bytes,
        }
        return self._start("fetch", ["agent.update_client"], document, update.download_timeout_s, now_s)

    def verify(self, target: Target, now_s: float) -> list[ev.Event]:
        """Hash a bundle's files and read its manifest."""
        directory = str(self._state_dir.bundle_dir(target.bundle))
        wanted = self._config.artifact or "-"
        arguments = ["agent.verify", directory, target.bundle, self._config.model, wanted, *self._runtimes]
        timeout_s = self._config.update.self_test_timeout_s if self._config.update else 120.0
        return self._start("verify", arguments, None, timeout_s, now_s)

    def stop_trial(self) -> None:
        """End download and verification."""
        self._waiting_fetch = None
        self._end("fetch")
        self._end("verify")

    def close(self) -> None:
        """End all."""
        self._waiting_check, self._waiting_fetch = False, None
        for kind in KINDS:
            self._end(kind)

    def watched(self) -> list[Watched]:
        """What each child writes, and what waits to be written to one."""
        watched: list[Watched] = []
        for kind, process in self.processes.items():
            watched.append(Watched(process.fileno(), select.POLLIN, partial(self._on_ready, kind)))
            if self._relay is not None and process.unsent_fileno is not None:
                watched.append(Watched(process.unsent_fileno, select.POLLOUT, partial(self._on_writable, process)))
        return watched

    def answer(self, block: FileBlock) -> None:
        """Give a block that has come through the broker to the child that asked for it."""
        if self._relay is not None:
            self._relay.answer(block, self.processes.items())

    @staticmethod
    def _on_writable(process: JobProcess, _happened: int, _now_s: float) -> list[ev.Event]:
        process.flush()
        return []

    def _on_ready(self, kind: Kind, _happened: int, now_s: float) -> list[ev.Event]:
        return self.on_readable(kind, now_s)

    def on_readable(self, kind: Kind, now_s: float) -> list[ev.Event]:
        """Read what a child says, or that it has ended."""
        running = self._running.get(kind)
        if running is None:
            return []
        events: list[ev.Event] = []
        try:
            lines, is_open = running.process.receive()
            for line in lines:
                self._hear(kind, line, now_s)
                found = events_of(kind, line, self._fetching)
                running.has_reported = running.has_reported or any(is_end(event) for event in found)
                self._put_off = next((one for one in found if isinstance(one, ev.FetchFailed)), self._put_off)
                events += found
        except (IpcError, FieldError) as exc:
            self._end(kind)
            return [*events, failure(kind, self._fetching, "job", str(exc), transient=False)]
        if not is_open:
            how = self._end(kind)
            if not running.has_reported:
                events.append(
                    failure(kind, self._fetching, "interrupted", f"the {kind} child ended with {how}", transient=True)
                )
        return [*events, *self._next(now_s)]

    def tick(self, now_s: float) -> list[ev.Event]:
        """Kill what has run out of time, and start what could not be started before."""
        events: list[ev.Event] = []
        for kind in KINDS:
            running = self._running.get(kind)
            if running is not None and now_s >= running.deadline_s:
                self._end(kind)
                events.append(
                    failure(kind, self._fetching, "timeout", f"the {kind} child did not end in time", transient=True)
                )
        return [*events, *self._next(now_s)]

    def next_deadline_s(self) -> float | None:
        """When ``tick`` is needed at the latest."""
        times_s = [running.deadline_s for running in self._running.values()]
        if self._waiting_fetch is not None and "check" not in self._running:
            times_s.append(0.0)
        if self._waiting_check and not self._refreshing:
            times_s.append(self._not_before_s.get("check", 0.0))
        return min(times_s, default=None)

    def _next(self, now_s: float) -> list[ev.Event]:
        if self._waiting_fetch is not None and "check" not in self._running:
            return self.fetch(self._waiting_fetch, now_s)
        if self._waiting_check and not self._refreshing and not self._must_wait("check", now_s):
            return self.check(now_s)
        return []

    def _must_wait(self, kind: Kind, now_s: float) -> bool:
        return now_s < self._not_before_s.get(kind, 0.0)

    def _hear(self, kind: Kind, line: Mapping[str, object], now_s: float) -> None:
        """Take what is for nobody but us."""
        if self._relay is not None and is_question(line):
            self._relay.ask(kind, line)
        elif line.get("event") in ("channel", "error"):
            told = advice_of(line)
            self._not_before_s[kind] = now_s + told.retry_after
            if told.retry_after:
                log.info("job waits as told kind=%s seconds=%.0f", kind, told.retry_after)
            if told.fresh_until is not None:
                self._time.accepted(until_s=told.fresh_until)
        elif kind == "fetch":
            self._refreshing = False

    def _where(self, update: UpdateConfig, timeout_s: float) -> dict[str, object]:
        base = update.url.rstrip("/")
        return {
            "state_dir": str(self._state_dir.root),
            "metadata_url": f"{base}/metadata",
            "targets_url": f"{base}/targets",
            "root": update.root,
            "model": self._config.model,
            "now_floor": self._time.floor_s,
            "max_bytes_per_s": update.max_bytes_per_s,
            "max_bytes_per_day": update.max_bytes_per_day,
            "over": update.over,
            "timeout_s": timeout_s,
        }

    def _start(
        self, kind: Kind, arguments: list[str], document: Mapping[str, object] | None, timeout_s: float, now_s: float
    ) -> list[ev.Event]:
        self._end(kind, starting=True)
        data = b"" if document is None else json.dumps(document).encode() + b"\n"
        try:
            talks = self._relay is not None and document is not None
            process = self._spawn(arguments, data, stays_open=True) if talks else self._spawn(arguments, data)
        except ChildError as exc:
            self._refreshing = self._refreshing and kind != "fetch"
            return [failure(kind, self._fetching, "job", str(exc), transient=True)]
        self._running[kind] = _Running(process=process, deadline_s=now_s + timeout_s + GRACE_S)
        log.debug("job started kind=%s pid=%d", kind, process.pid)
        return []

    def _end(self, kind: Kind, *, starting: bool = False) -> str:
        if kind == "fetch" and not starting:
            self._refreshing = False
        running = self._running.pop(kind, None)
        return "" if running is None else running.process.end()
