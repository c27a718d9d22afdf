"""The short-lived children: a look at the channel, a download, a verification. At most one of each.

Checks and downloads both refresh the signed metadata in the state directory, so one waits while the other does; a
download that has its manifest no longer touches them, and a check may overtake it.
"""

from __future__ import annotations

import json
import logging
import select
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

from agent.config import AgentConfig, UpdateConfig
from agent.core import events as ev
from agent.core.records import Target
from agent.errors import ChildError, IpcError
from agent.inventory import pinned
from agent.parts import Watched
from agent.process import JobProcess
from agent.state_dir import StateDir
from edge_models.channel import Channel
from edge_models.errors import FieldError
from edge_models.fields import decode, described
from edge_models.manifest import BundleId

log = logging.getLogger(__name__)

GRACE_S = 5.0  # after the time that the job itself keeps to
Kind = Literal["check", "fetch", "verify"]
KINDS: tuple[Kind, ...] = ("check", "fetch", "verify")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Versions:
    metadata_versions: dict[str, int] = described("Versions of the signed metadata.", default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Progress:
    bytes: int = described("Bytes here.", default=0, ge=0)
    total: int = described("Bytes in all.", ge=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verified:
    model: str = described("Model slot.")
    version: str = described("Version.")
    serial: int = described("Serial.", ge=1)
    artifact: str = described("Artifact.")
    answers: tuple[str, ...] = described("Requests answered.", default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Error:
    code: str = described("What failed.", pattern=r"[a-z0-9_]{1,40}")
    message: str = described("The same for people.")
    transient: bool = described("Whether it may pass.", default=False)


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
        floor_s: Gives the latest time that this device was sure of.
        spawn: Starts a child from its module's name, its arguments and its document.
    """

    def __init__(
        self,
        config: AgentConfig,
        state_dir: StateDir,
        *,
        runtimes: Mapping[str, str],
        floor_s: Callable[[], float],
        spawn: Callable[..., JobProcess] = JobProcess,
    ) -> None:
        self._config = config
        self._state_dir = state_dir
        self._runtimes = pinned(runtimes)
        self._floor_s = floor_s
        self._spawn = spawn
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
        if self._refreshing:
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
        """What each child writes."""
        return [
            Watched(process.fileno(), select.POLLIN, partial(self._on_ready, kind))
            for kind, process in self.processes.items()
        ]

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
                found = self._translate(kind, line)
                running.has_reported = running.has_reported or any(_ends(event) for event in found)
                events += found
        except (IpcError, FieldError) as exc:
            self._end(kind)
            return [*events, self._failure(kind, "job", str(exc), transient=False)]
        if not is_open:
            how = self._end(kind)
            if not running.has_reported:
                events.append(self._failure(kind, "interrupted", f"the {kind} child ended with {how}", transient=True))
        return [*events, *self._next(now_s)]

    def tick(self, now_s: float) -> list[ev.Event]:
        """Kill what has run out of time, and start what could not be started before."""
        events: list[ev.Event] = []
        for kind in KINDS:
            running = self._running.get(kind)
            if running is not None and now_s >= running.deadline_s:
                self._end(kind)
                events.append(self._failure(kind, "timeout", f"the {kind} child did not end in time", transient=True))
        return [*events, *self._next(now_s)]

    def next_deadline_s(self) -> float | None:
        """When ``tick`` is needed at the latest."""
        return min((running.deadline_s for running in self._running.values()), default=None)

    def _next(self, now_s: float) -> list[ev.Event]:
        if self._waiting_fetch is not None and "check" not in self._running:
            return self.fetch(self._waiting_fetch, now_s)
        if self._waiting_check and not self._refreshing:
            return self.check(now_s)
        return []

    def _where(self, update: UpdateConfig, timeout_s: float) -> dict[str, object]:
        base = update.url.rstrip("/")
        return {
            "state_dir": str(self._state_dir.root),
            "metadata_url": f"{base}/metadata",
            "targets_url": f"{base}/targets",
            "root": update.root,
            "model": self._config.model,
            "now_floor": self._floor_s(),
            "timeout_s": timeout_s,
        }

    def _start(
        self, kind: Kind, arguments: list[str], document: Mapping[str, object] | None, timeout_s: float, now_s: float
    ) -> list[ev.Event]:
        self._end(kind, starting=True)
        data = b"" if document is None else json.dumps(document).encode() + b"\n"
        try:
            process = self._spawn(arguments, data)
        except ChildError as exc:
            self._refreshing = self._refreshing and kind != "fetch"
            return [self._failure(kind, "job", str(exc), transient=True)]
        self._running[kind] = _Running(process=process, deadline_s=now_s + timeout_s + GRACE_S)
        log.debug("job started kind=%s pid=%d", kind, process.pid)
        return []

    def _end(self, kind: Kind, *, starting: bool = False) -> str:
        if kind == "fetch" and not starting:
            self._refreshing = False
        running = self._running.pop(kind, None)
        return "" if running is None else running.process.end()

    def _translate(self, kind: Kind, line: Mapping[str, object]) -> list[ev.Event]:
        match kind, line.get("event"):
            case _, "error":
                error = decode(_Error, line)
                log.warning("job failed kind=%s code=%s message=%s", kind, error.code, error.message)
                return [self._failure(kind, error.code, error.message, transient=error.transient)]
            case "check", "channel":
                versions = decode(_Versions, line).metadata_versions
                return [ev.ChannelSeen(channel=decode(Channel, line), metadata=versions)]
            case "fetch", "manifest" | "progress":
                self._refreshing = False
                progress = decode(_Progress, line)
                return [ev.FetchProgress(bundle=self._fetching, bytes=progress.bytes, total=progress.total)]
            case "fetch", "done":
                return [ev.FetchDone(bundle=self._fetching)]
            case "verify", "verified":
                found = decode(_Verified, line)
                return [
                    ev.TargetVerified(
                        model=found.model,
                        version=found.version,
                        serial=found.serial,
                        artifact=found.artifact,
                        answers=found.answers,
                    )
                ]
            case _:
                return []

    def _failure(self, kind: Kind, code: str, message: str, *, transient: bool) -> ev.Event:
        match kind:
            case "check":
                return ev.CheckFailed(code=code, message=message, transient=transient)
            case "fetch":
                return ev.FetchFailed(bundle=self._fetching, code=code, message=message, transient=transient)
            case "verify":
                return ev.TargetBad(code=code, message=message, transient=transient)


def _ends(event: ev.Event) -> bool:
    return not isinstance(event, ev.FetchProgress)
