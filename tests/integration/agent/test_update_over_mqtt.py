"""A whole update through the broker, with no web server anywhere; real broker, real registry, the agent's program."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.clock import SystemClock
from deploy.config import MqttConfig
from deploy.link import Link
from deploy.registry.block_server import BlockServer, subscriptions
from edge_models.bundle import Bundle
from edge_models.wire import Topics
from tests.integration.agent.brokers import Broker, Embedded
from tests.integration.agent.conftest import Fleet, MakeDevice
from tests.integration.agent.device import Onlooker

pytestmark = pytest.mark.integration

Bundles = dict[str, Bundle]


@contextlib.contextmanager
def block_server(public: Path, port: int) -> Iterator[None]:
    topics = Topics("driftline")
    clock = SystemClock()
    config = MqttConfig(host="127.0.0.1", port=port, client_id="driftline-files")
    link = Link(config, subscriptions(topics), clock=clock)
    with link, BlockServer(public, link, topics, clock):
        link.wait_until_connected(20)
        yield


def update_without_a_web_server(fleet: Fleet, **fields: object) -> dict[str, object]:
    fleet.server.stop()
    update = fleet.update(over="mqtt", **fields)
    del update["url"]
    return update


def test_update_comes_through_the_broker_alone(
    broker: Broker, make_device: MakeDevice, fleet: Fleet, bundles: Bundles
) -> None:
    fleet.offer(bundles["second"], bundles["first"])
    device = make_device(broker.port, update=update_without_a_web_server(fleet))

    with block_server(fleet.registry.public, broker.port):
        device.start()
        device.wait_until_it_runs(bundles["second"].id)

    assert device.record("active.json")["previous"]["bundle"] == bundles["first"].id


def test_tampered_file_is_refused_through_the_broker_as_over_http(
    embedded: Embedded, onlooker: Onlooker, make_device: MakeDevice, fleet: Fleet, bundles: Bundles
) -> None:
    fleet.offer(bundles["second"], bundles["first"])
    entry = bundles["second"].manifest.files["digits-int8.tflite"]
    blob = fleet.registry.public / "targets/blobs" / entry.sha256
    blob.chmod(0o644)
    blob.write_bytes(bytes(entry.size))
    device = make_device(embedded.port, update=update_without_a_web_server(fleet, attempts=1), bundle=None)

    with block_server(fleet.registry.public, embedded.port):
        device.start()
        rejected = onlooker.wait_for("model/state", lambda heard: heard.json["phase"] == "rejected")

    assert rejected.json["error"]["code"] == "content"
    assert rejected.json["installed"] is None


def test_registry_that_answers_nobody_leaves_the_model_running(
    embedded: Embedded, onlooker: Onlooker, make_device: MakeDevice, fleet: Fleet
) -> None:
    update = update_without_a_web_server(fleet, check_timeout_s=2)
    device = make_device(embedded.port, update=update)

    device.start()

    onlooker.wait_for("file/get")
    seen = onlooker.wait_for("prediction")
    onlooker.wait_for("prediction", after_s=seen.at_s + 3)  # the model runs on through failed looks
    assert "kind=check code=deadline" in device.log.read_text()
