"""Workers without processes, and slots in their surroundings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

from agent import ipc
from agent.active_slot import ActiveSlot
from agent.config import AgentConfig, ReplaySource
from agent.core import events as ev
from agent.errors import ChildError, IpcError
from agent.process import WorkerProcess
from tests.unit.agent.world import CONFIG


class FakeWorker:
    """Stands in for a worker's process; the test puts words into its mouth."""

    def __init__(self, configure: ipc.Configure) -> None:
        self.configure = configure
        self.bundle = configure.bundle
        self.pid = 4711
        self.sent: list[ipc.ToWorker] = []
        self.bodies: list[bytes] = []
        self.says: list[tuple[ipc.Message, bytes]] = []
        self.is_open = True
        self.garbles = False
        self.ended = False
        self.held_kb = 40_000
        self.takes = True

    def send(self, message: ipc.ToWorker, body: bytes = b"") -> bool:
        if self.takes:
            self.sent.append(message)
            self.bodies.append(body)
        return self.takes

    def receive(self) -> tuple[list[tuple[ipc.Message, bytes]], bool]:
        if self.garbles:
            raise IpcError("garbage")
        says, self.says = self.says, []
        return says, self.is_open

    def has_ended(self) -> bool:
        return not self.is_open

    def resident_kb(self) -> int:
        return self.held_kb

    def end(self) -> str:
        self.ended = True
        return "signal 11"


class Nursery:
    """Starts fake workers and remembers them."""

    def __init__(self) -> None:
        self.workers: list[FakeWorker] = []
        self.refuses = False

    def __call__(self, configure: ipc.Configure) -> WorkerProcess:
        if self.refuses:
            raise ChildError("no memory")
        self.workers.append(FakeWorker(configure))
        return cast("WorkerProcess", self.workers[-1])


class Slot:
    """An active slot in its surroundings."""

    def __init__(self, config: AgentConfig = CONFIG) -> None:
        self.nursery = Nursery()
        self.shadowed: list[ipc.ShadowFrame] = []
        self.slot = ActiveSlot(
            replace(config, source=ReplaySource(path="x.npz")), bundle_dir=lambda name: Path("/state/bundles", name),
            boot=4, spawn=self.nursery, shadow=lambda frame, _: self.shadowed.append(frame),
        )  # fmt: skip

    @property
    def worker(self) -> FakeWorker:
        return self.nursery.workers[-1]

    def say(self, *messages: ipc.Message, at_s: float = 0.0) -> list[ev.Event]:
        self.worker.says += [(message, b"") for message in messages]
        return self.slot.on_readable(at_s)

    def die(self, at_s: float) -> list[ev.Event]:
        self.worker.is_open = False
        return self.slot.on_readable(at_s)


def ready() -> ipc.Ready:
    """A worker has its model."""
    return ipc.Ready(runtime="fake 1", artifact="tflite-int8", rss_kb=1)
