"""Brokers, a registry with its server, recorded frames, and devices that are ended whatever happens."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from deploy.registry import Registry
from edge_models.bundle import Bundle
from edge_models.channel import Channel
from tests.factories.bundles import make_bundle
from tests.factories.frames import digit_frames, write_recording
from tests.integration.agent.brokers import Broker, Embedded, Mosquitto
from tests.integration.agent.device import Device, Onlooker
from tests.integration.updates.site import Server


@pytest.fixture
def embedded() -> Iterator[Embedded]:
    broker = Embedded()
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(params=["iotcore", pytest.param("mosquitto", marks=pytest.mark.mosquitto)])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    if request.param == "mosquitto" and Mosquitto.program() is None:
        pytest.skip("mosquitto is not installed")
    made: Broker = Embedded() if request.param == "iotcore" else Mosquitto(tmp_path)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def onlooker(embedded: Embedded) -> Iterator[Onlooker]:
    made = Onlooker(embedded.port)
    yield made
    made.close()


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    """Bundles by what is special about them."""
    directory = tmp_path_factory.mktemp("bundles")
    return {
        "first": make_bundle(directory / "first", serial=1, version="1.0"),
        "second": make_bundle(directory / "second", serial=2, version="2.0"),
        "third": make_bundle(directory / "third", serial=3, version="3.0"),
        "wrong": make_bundle(directory / "wrong", serial=4, version="4.0", golden_is_wrong=True),
    }


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frames, labels = digit_frames(2000)
    return write_recording(tmp_path_factory.mktemp("frames") / "frames.npz", frames, labels)


Section = Mapping[str, object]
SHADOW: Section = {"frames": 30, "deadline_s": 20, "rate_hz": 50}
PROVISIONAL: Section = {"frames": 30, "deadline_s": 20}


class Fleet:
    """A registry behind HTTP, with a channel that the test turns."""

    def __init__(self, directory: Path) -> None:
        self.registry = Registry.create(directory)
        self.server = Server(self.registry.public)
        self._rev = 0
        self._published: set[str] = set()

    def offer(self, chosen: Bundle, *others: Bundle, percent: int = 100, base: Bundle | None = None) -> None:
        """Publish bundles and let the channel list them and name the first."""
        self._rev += 1
        listed = {bundle.id: bundle.manifest.serial for bundle in (chosen, *others)}
        for bundle in sorted((chosen, *others), key=lambda item: item.manifest.serial):
            if bundle.id not in self._published:
                self.registry.publish(bundle.directory)
                self._published.add(bundle.id)
        self.registry.set_channel(
            Channel(
                model="digits",
                channel="stable",
                rev=self._rev,
                bundle=chosen.id,
                listed=listed,
                percent=percent,
                base=None if base is None else base.id,
            )
        )

    def update(
        self, *, shadow: Section = SHADOW, provisional: Section = PROVISIONAL, **fields: object
    ) -> dict[str, object]:
        """The ``update`` section of a device that follows this registry; how busy this machine is decides nothing."""
        stages = {"shadow": {"max_slowdown": 1000, **shadow}, "provisional": {"max_slowdown": 1000, **provisional}}
        return {"url": self.server.url, "root": str(self.registry.trusted_root), "poll_s": 1, **stages, **fields}


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(tmp_path / "registry")
    yield made
    made.server.stop()


MakeDevice = Callable[..., Device]


@pytest.fixture
def make_device(tmp_path: Path, bundles: dict[str, Bundle], recording: Path) -> Iterator[MakeDevice]:
    """Makes a device that runs the first bundle on the recording; arguments replace sections of agent.yaml."""
    with contextlib.ExitStack() as made:

        def make(port: int, **sections: object) -> Device:
            source = {"type": "replay", "path": str(recording), "rate_hz": 100, "loop": True}
            document = {
                "bundle": str(bundles["first"].directory), "mqtt": {"host": "127.0.0.1", "port": port},
                "source": source, "report": {"state_s": 0.5, "predictions_hz": 50}, **sections,
            }  # fmt: skip
            device = Device(tmp_path, **document)
            made.callback(device.stop)
            return device

        yield make
