"""The worker's loop: one thread that waits for the supervisor, for the next frame and for the next heartbeat.

No step waits for anything else, so a heartbeat is late only when the model itself is: that is how the supervisor sees
a model that hangs. What a worker does with messages and frames is its role: ``agent.worker.active`` or
``agent.worker.candidate``.
"""

from __future__ import annotations

import logging
import selectors
from collections.abc import Callable
from typing import Literal, Protocol

from agent.errors import AgentError, ConfigError, IpcError
from agent.ipc import HEARTBEAT_S, Configure, Failed, Go, Heartbeat, Message, Stop
from agent.ports import Clock
from agent.worker.errors import DetectorError, LearnerError, SourceError
from agent.worker.link import SupervisorLink
from edge_models.errors import BundleError, EdgeModelsError

log = logging.getLogger(__name__)

BEAT_EVERY_S = HEARTBEAT_S / 2  # the contract says at least each HEARTBEAT_S; half leaves room for a slow frame
CAREFUL_S = 10.0  # the frame at which the last worker died comes at most a beat and a frame after the start
MAX_MESSAGE_CHARS = 2000

Code = Literal["bundle", "runtime", "source", "config", "internal"]


class Role(Protocol):
    """What a worker does after it was configured."""

    @property
    def due_s(self) -> float | None:
        """Monotonic time of the next frame; None when there is nothing to do before a message comes."""

    def heartbeat(self) -> Heartbeat:
        """How far it has come."""

    def handle(self, message: Message, body: bytes) -> None:
        """Take a message of the supervisor."""

    def work(self, now_s: float) -> None:
        """Do what is due: one frame at most."""

    def leave(self) -> None:
        """Send what a later worker needs, as the supervisor said stop."""

    def close(self) -> None:
        """Give everything back."""


class Loop:
    """Connects a link with a role until either ends.

    Args:
        link: To the supervisor; closed at the end.
        open_role: Makes the role of a Configure message; may send.
        clock: For pacing and heartbeats.
    """

    def __init__(
        self, *, link: SupervisorLink, open_role: Callable[[Configure, SupervisorLink], Role], clock: Clock
    ) -> None:
        self._link = link
        self._open_role = open_role
        self._clock = clock
        self._role: Role | None = None
        self._stopping = False
        self._beat_due_s = clock.monotonic_s()
        self._careful_for_s = self._careful_until_s = 0.0

    def run(self) -> int:
        """Work until the supervisor says stop or is gone; the exit code of the process."""
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self._link, selectors.EVENT_READ)
                while not (self._stopping or self._link.closed):
                    self._turn(selector)
            if self._stopping:
                if self._role is not None:
                    self._role.leave()
                self._beat(self._clock.monotonic_s())  # so that the next worker goes on at this very frame
        except Exception as exc:  # noqa: BLE001 - the one place where everything is caught: it is reported, then the process ends
            self._report(exc)
            return 1
        finally:
            if self._role is not None:
                self._role.close()
            self._link.close()
        return 0

    def _turn(self, selector: selectors.BaseSelector) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._link.waiting else 0)
        selector.modify(self._link, events)
        for _, event in selector.select(self._pause_s()):
            if event & selectors.EVENT_WRITE:
                self._link.flush()
            if event & selectors.EVENT_READ:
                for message, body in self._link.receive():
                    self._dispatch(message, body)
        if self._stopping or self._link.closed:
            return
        now_s = self._clock.monotonic_s()
        if self._role is not None and self._role.due_s is not None and self._role.due_s <= now_s:
            if now_s < self._careful_until_s:
                self._beat(now_s)  # if this frame ends the process, the supervisor knows which one it was
            self._role.work(now_s)
        if now_s >= self._beat_due_s:
            self._beat(now_s)

    def _pause_s(self) -> float:
        due_s = self._beat_due_s
        if self._role is not None and self._role.due_s is not None:
            due_s = min(due_s, self._role.due_s)
        return max(0.0, due_s - self._clock.monotonic_s())

    def _dispatch(self, message: Message, body: bytes) -> None:
        if isinstance(message, Stop):
            self._stopping = True
        elif isinstance(message, Configure):
            if self._role is not None:
                raise IpcError("a second configure message, expected one for each worker")
            self._role = self._open_role(message, self._link)
            self._careful_for_s = CAREFUL_S if message.careful else 0.0
            self._careful_until_s = self._clock.monotonic_s() + self._careful_for_s
        elif self._role is None:
            raise IpcError(f"{message.type} before configure, expected configure first")
        else:
            self._role.handle(message, body)
            if isinstance(message, Go):
                self._careful_until_s = self._clock.monotonic_s() + self._careful_for_s

    def _beat(self, now_s: float) -> None:
        self._beat_due_s = now_s + BEAT_EVERY_S
        if self._role is not None:
            self._link.send(self._role.heartbeat())

    def _report(self, exc: Exception) -> None:
        code = failure_code(exc)
        message = " ".join((str(exc) if code != "internal" else f"{type(exc).__name__}: {exc}").split())
        log.error("worker failed code=%s message=%s", code, message, exc_info=exc if code == "internal" else None)
        if not self._link.closed and not isinstance(exc, IpcError):
            self._link.send(Failed(code=code, message=message[:MAX_MESSAGE_CHARS]))


def failure_code(exc: Exception) -> Code:
    """Whose fault an exception is, as ``Failed`` tells it."""
    match exc:
        case SourceError():
            return "source"
        case DetectorError() | LearnerError() | ConfigError():
            return "config"
        case BundleError():
            return "bundle"
        case EdgeModelsError():
            return "runtime"
        case AgentError():
            return "config"
        case _:
            return "internal"
