"""A real agent with broker and registry on this machine, for the parts that look at it from the broker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.integration.agent.brokers import Embedded
from tests.integration.agent.device import Device, Onlooker
from tests.integration.updates.site import Server
from tests.kill.site import Site

RATE_HZ = 20.0
FRAMES_TOPIC = "driftline-benchmark/frames"
SOURCES = ("replay", "mqtt")


class Setup:
    """One agent and its surroundings.

    Attributes:
        site: The bundles.
        device: The agent; not started.
        onlooker: At the broker.
        port: Of the broker.
    """

    def __init__(self, site: Site, device: Device, onlooker: Onlooker, port: int, public: Path) -> None:
        self.site, self.device, self.onlooker, self.port = site, device, onlooker, port
        self._public = public

    def offer(self, name: str) -> None:
        """The registry goes on to the moment when this bundle was published."""
        fresh = self._public.with_name(f"public-of-{name}")
        fresh.symlink_to(self.site.public[name])
        fresh.replace(self._public)


@contextmanager
def agent(directory: Path, source: str) -> Iterator[Setup]:
    """An agent whose frames come from a recording, or over the broker."""
    with ExitStack() as opened:
        site = Site(directory)
        public = directory / "public"
        public.symlink_to(site.public["first"])
        server = Server(public)
        opened.callback(server.stop)
        broker = Embedded()
        broker.start()
        opened.callback(broker.stop)
        onlooker = Onlooker(broker.port)
        opened.callback(onlooker.close)
        replay = {"type": "replay", "path": str(site.recording), "rate_hz": RATE_HZ, "loop": True}
        device = Device(
            directory,
            bundle=str(site.bundles["first"].directory),
            mqtt={"host": "127.0.0.1", "port": broker.port},
            source=replay if source == "replay" else {"type": "mqtt", "topic": FRAMES_TOPIC, "encoding": "raw"},
            report={"state_s": 1, "predictions_hz": 1000},
            update={
                "url": server.url,
                "root": str(site.root),
                "poll_s": 1,
                "shadow": {"frames": 30, "deadline_s": 30, "max_slowdown": 1000, "rate_hz": RATE_HZ},
                "provisional": {"frames": 30, "deadline_s": 30, "max_slowdown": 1000},
            },
        )
        opened.callback(device.stop)
        yield Setup(site, device, onlooker, broker.port, public)
