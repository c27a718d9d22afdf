"""What an agent meets in simulated time: a broker that comes and goes, workers that only talk, jobs done at once."""

from __future__ import annotations

import contextlib
import json
import random
import socket
from collections import Counter, deque
from collections.abc import Callable, Sequence
from pathlib import Path

from agent import ipc
from agent.link_events import Acked, Down, LinkEvent, Subscribed, Up
from agent.storage import Storage
from agent.update_client.job import read_job
from agent.update_client.report import Report
from agent.update_client.run import Tools, run
from agent.verify import verified
from tests.soak.simulated_time import World
from tests.unit.update_client.fakes import MemoryTransport

BEAT_S = 2.0
WINDOW_S = 60.0
SAVE_S = 600.0
FRAMES_PER_S = 10
LOAD_S = 0.5
SAVED_BYTES = 8000


class Bell:
    """A descriptor that is readable while something waits."""

    def __init__(self) -> None:
        self._ring, self._heard = socket.socketpair()
        self._heard.setblocking(False)

    def fileno(self) -> int:
        return self._heard.fileno()

    def ring(self) -> None:
        with contextlib.suppress(OSError):  # closed: nobody waits any more
            self._ring.send(b"\0")

    def hush(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._heard.recv(4096):
                pass

    def close(self) -> None:
        self._ring.close()
        self._heard.close()


class Broker:
    """The agent's ``MqttLink``: what is published is counted and acknowledged, while it is there."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._bell = Bell()
        self._events: deque[LinkEvent] = deque()
        self._mid = 0
        self._is_there = True
        self.is_up = False
        self.overflowed = 0
        self.generation = 0
        self.published: Counter[str] = Counter()

    def fileno(self) -> int:
        return self._bell.fileno()

    def start(self) -> None:
        self._world.after(1.0, self._come)

    def restart(self) -> None:
        self.generation += 1
        self.is_up = False
        self.start()

    def go(self) -> None:
        """It is down."""
        self._is_there = False
        if self.is_up:
            self.is_up = False
            self._put(Down(reason="simulated"))

    def come_back(self) -> None:
        """It is there again."""
        self._is_there = True
        self._come()

    def tick(self, now_s: float) -> None:
        del now_s

    def next_deadline_s(self) -> float | None:
        return None

    def close(self) -> None:
        self._bell.close()

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool, expiry_s: float | None) -> int | None:
        del payload, qos, retain, expiry_s
        if not self.is_up:
            return None
        self.published[topic.split("/", 2)[-1]] += 1
        self._mid += 1
        self._put(Acked(mid=self._mid))
        return self._mid

    def drain(self, now_s: float) -> list[LinkEvent]:
        del now_s
        self._bell.hush()
        events = list(self._events)
        self._events.clear()
        return events

    def _come(self) -> None:
        if self._is_there and not self.is_up:
            self.is_up = True
            self._put(Up(receive_maximum=20, max_packet_bytes=65536, version="5"))
            self._put(Subscribed(refused=()))

    def _put(self, event: LinkEvent) -> None:
        self._events.append(event)
        self._bell.ring()


class Worker:
    """The agent's ``WorkerProcess``: loads, beats, closes windows, saves what it knows of drift, tests candidates."""

    def __init__(self, world: World, configure: ipc.Configure) -> None:
        self.bundle = configure.bundle
        self.pid = 1 << 22  # beyond every process id
        self.dropped = 0
        self.wants_write = False
        self._world = world
        self._configure = configure
        self._bell = Bell()
        self._says: list[tuple[ipc.Message, bytes]] = []
        self._position = configure.position
        self._seq = 0
        self._compared = 0
        self._runs = self._copies = False
        self._is_open = True
        world.after(LOAD_S, self._loaded)

    def fileno(self) -> int:
        return self._bell.fileno()

    def flush(self) -> None:
        pass

    def resident_kb(self) -> int:
        return 50_000

    def has_ended(self) -> bool:
        return not self._is_open

    def end(self) -> str:
        self._is_open = False
        self._bell.close()
        return "exit code 0"

    def receive(self) -> tuple[list[tuple[ipc.Message, bytes]], bool]:
        self._bell.hush()
        says, self._says = self._says, []
        return says, self._is_open

    def send(self, message: ipc.ToWorker, body: bytes = b"") -> bool:
        del body
        match message:
            case ipc.Stop():
                self._beat_once()
                self._runs = self._is_open = False
                self._bell.ring()
            case ipc.Go(position=position):
                self._position = position
                self._run()
            case ipc.ShadowOn(on=on):
                self._copies = on
                if on:
                    self._copy()
            case ipc.FrameIn():
                self._compared += 1
                self._say(ipc.ShadowVerdict(n=self._compared, agree=self._compared, nan=0, p95_us=200.0))
            case _:
                pass
        return True

    def _loaded(self) -> None:
        if self._configure.role == "candidate":
            self._say(ipc.SelfTest(ok=True))
            return
        self._say(ipc.Ready(runtime="simulated 1", artifact=self._configure.artifact, rss_kb=50_000))
        if not self._configure.standby:
            self._run()

    def _run(self) -> None:
        self._runs = True
        for period_s, act in ((BEAT_S, self._beat_once), (WINDOW_S, self._window), (SAVE_S, self._save)):
            self._repeat(period_s, act)

    def _repeat(self, period_s: float, act: Callable[[], None]) -> None:
        def again() -> None:
            if self._runs and self._is_open:
                act()
                self._world.after(period_s, again)

        self._world.after(period_s, again)

    def _beat_once(self) -> None:
        if self._runs:
            self._position += int(BEAT_S * FRAMES_PER_S)
            self._seq += int(BEAT_S * FRAMES_PER_S)
        health = ipc.ModelHealth(n=max(self._seq, 1), confidence=0.9, p95_us=200.0, effect=0.02, golden_ok=True)
        self._say(ipc.Heartbeat(position=self._position, seq=self._seq, rss_kb=50_000, health=health))

    def _window(self) -> None:
        n = int(WINDOW_S * FRAMES_PER_S)
        self._say(
            ipc.Window(
                start=max(self._position - n, 0), position=self._position, n=n, seconds=WINDOW_S,
                rate_hz=FRAMES_PER_S, p50_us=150.0, p95_us=200.0, mean_confidence=0.9, classes={"3": n},
                sketch="x" * 600, profile="simulated",
            )
        )  # fmt: skip

    def _save(self) -> None:
        self._say(ipc.DriftSaved(kind="trigger"), bytes(SAVED_BYTES))

    def _copy(self) -> None:
        if self._copies and self._is_open:
            frame = ipc.ShadowFrame(position=self._position, label=3, dtype="uint8", shape=(8, 8))
            self._say(frame, bytes(64))
            self._world.after(0.1, self._copy)

    def _say(self, message: ipc.Message, body: bytes = b"") -> None:
        if self._is_open:
            self._says.append((message, body))
            self._bell.ring()


class Job:
    """The agent's ``JobProcess``: the update client's own code, done in this process before it is asked."""

    pid = 1 << 22
    unsent_fileno = None

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._bell = Bell()
        self._bell.ring()

    def fileno(self) -> int:
        return self._bell.fileno()

    def send(self, line: bytes) -> None:
        del line

    def flush(self) -> None:
        pass

    def receive(self) -> tuple[list[dict[str, object]], bool]:
        lines, self._lines = self._lines, []
        return [json.loads(line) for line in lines], False

    def end(self) -> str:
        self._bell.close()
        return "exit code 0"


class Jobs:
    """Does jobs; ``public`` is the registry's folder."""

    def __init__(self, world: World, open_storage: Callable[[Path], Storage], base_url: str) -> None:
        self.public = Path()
        self._world = world
        self._open_storage = open_storage
        self.transport = MemoryTransport(self._file, chunk_bytes=65536)
        self._base = base_url

    def spawn(self, arguments: Sequence[str], document: bytes = b"", **_: object) -> Job:
        """Do it, and hand over what it reported."""
        if arguments[0] == "agent.verify":
            directory, bundle, model, artifact, *runtimes = arguments[1:]
            line = verified(Path(directory), bundle, model, None if artifact == "-" else artifact, runtimes)
            return Job([json.dumps(line)])
        lines: list[str] = []
        tools = Tools(
            storage=self._open_storage,
            transport=self.transport,
            time=self._world,
            rng=random.Random(1),
            free_bytes=lambda _: 1 << 30,
        )
        run(read_job(document), tools, Report(lines.append, self._world))
        self.transport.requests.clear()
        return Job(lines)

    def _file(self, path: str) -> bytes | None:
        file = self.public / path.lstrip("/")
        return file.read_bytes() if file.is_file() else None
