"""A whole update through the broker, with no web server that a device could reach: real broker, real programs."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from edge_models.bundle import Bundle
from tests.integration.agent.brokers import Broker, Embedded
from tests.integration.agent.conftest import Fleet, MakeDevice
from tests.integration.agent.device import ROOT, Onlooker

pytestmark = pytest.mark.integration

Bundles = dict[str, Bundle]


@contextlib.contextmanager
def registry_server(fleet: Fleet, port: int) -> Iterator[None]:
    """``driftline-fleet registry serve --mqtt``, the way to whose web server no device is told."""
    command = [sys.executable, "-m", "deploy", "registry", "serve", "--registry", str(fleet.registry.directory)]
    options = ["--port", "0", "--mqtt", f"127.0.0.1:{port}", "--json"]
    with subprocess.Popen([*command, *options], cwd=ROOT, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["event"] == "ready"
            yield
        finally:
            process.terminate()
            assert process.wait(20) == 0


def update_without_a_web_server(fleet: Fleet, **fields: int) -> dict[str, object]:
    fleet.server.stop()
    update = {**fleet.update(over="mqtt"), **fields}
    del update["url"]
    return update


def test_update_comes_through_the_broker_alone(
    broker: Broker, make_device: MakeDevice, fleet: Fleet, bundles: Bundles
) -> None:
    fleet.offer(bundles["second"], bundles["first"])
    device = make_device(broker.port, update=update_without_a_web_server(fleet))

    with registry_server(fleet, broker.port):
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

    with registry_server(fleet, embedded.port):
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
