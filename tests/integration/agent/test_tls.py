"""TLS and mutual TLS against Mosquitto: each thing that can be wrong ends as the table in agent/README.md says.

Nothing of it ends the agent: the model runs on, what it reports waits on disk, and the connection comes by itself when
what was wrong is mended.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.agent.authority import Authority
from tests.integration.agent.brokers import Mosquitto
from tests.integration.agent.conftest import MakeDevice
from tests.integration.agent.device import ID, ROOT, Device, until
from tests.integration.agent.unset_clock import compiler, unset_clock

pytestmark = [
    pytest.mark.integration,
    pytest.mark.mosquitto,
    pytest.mark.skipif(Mosquitto.program() is None, reason="mosquitto is not installed"),
]
StartBroker = Callable[[dict[str, str]], Mosquitto]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "pki")


@pytest.fixture
def start_broker(tmp_path: Path, authority: Authority) -> Iterator[StartBroker]:
    """Starts a broker with a certificate, which wants one of each device that the authority has signed."""
    started: list[Mosquitto] = []

    def start(server: dict[str, str]) -> Mosquitto:
        folder = tmp_path / "broker"
        folder.mkdir(exist_ok=True)
        broker = Mosquitto(
            folder, f"cafile {authority.file}", f"certfile {server['cert']}", f"keyfile {server['key']}",
            "require_certificate true", "use_identity_as_username true", "allow_anonymous false",
        )  # fmt: skip
        if started:
            broker.port = started[-1].port
        started.append(broker)
        broker.start()
        return broker

    yield start
    for broker in started:
        broker.stop()


def start(make_device: MakeDevice, port: int, tls: dict[str, str], environment: dict[str, str] | None = None) -> Device:
    device = make_device(port, mqtt={"host": "localhost", "port": port, "tls": tls})
    device.start(environment=environment)
    return device


def expect(device: Device, reason: str) -> None:
    """The reason is logged once however often it is tried, while the model runs and reports wait."""
    until(lambda: reason in text(device), reason, timeout_s=45, log=device.log)
    tries = until(lambda: text(device).count("broker down reason="), "tries", log=device.log)
    until(lambda: text(device).count("broker down reason=") > tries, "another try", timeout_s=45, log=device.log)
    (told, *again) = [line for line in text(device).splitlines() if reason in line]
    assert " INFO " in told
    assert all(" DEBUG " in line for line in again)
    assert device.children()
    assert "broker up" not in text(device)
    shown = status(device)
    assert "NOT connected to localhost" in shown
    assert reason in shown


def status(device: Device) -> str:
    """What ``driftline-agent status`` prints."""
    command = [sys.executable, "-m", "agent", "status", "-c", str(device.config)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def text(device: Device) -> str:
    return device.log.read_text() if device.log.exists() else ""


def expect_connection(device: Device) -> None:
    until(lambda: "broker up version=5" in text(device), "the broker", timeout_s=45, log=device.log)
    assert device.stop() == 0


def test_broker_whose_certificate_another_authority_signed_is_not_trusted(
    start_broker: StartBroker, make_device: MakeDevice, authority: Authority, tmp_path: Path
) -> None:
    other = Authority(tmp_path / "pki", "other")
    broker = start_broker(authority.issue("server"))

    device = start(make_device, broker.port, {**authority.issue(ID), "ca": other.file})

    expect(device, f"the broker's certificate is not signed by {other.file}; check mqtt.tls.ca")
    assert device.stop() == 0


def test_broker_whose_certificate_is_for_another_host_is_not_trusted(
    start_broker: StartBroker, make_device: MakeDevice, authority: Authority
) -> None:
    broker = start_broker(authority.issue("server", host="broker.example"))

    device = start(make_device, broker.port, authority.issue(ID))

    expect(device, "the broker's certificate is not for localhost; check mqtt.host")
    assert device.stop() == 0


def test_device_connects_when_the_brokers_expired_certificate_is_renewed(
    start_broker: StartBroker, make_device: MakeDevice, authority: Authority
) -> None:
    broker = start_broker(authority.issue("server", days=(-1.5, -0.5)))
    device = start(make_device, broker.port, authority.issue(ID))
    expect(device, "the broker's certificate has expired, by this device's clock")
    broker.stop()

    start_broker(authority.issue("server"))

    expect_connection(device)


@pytest.mark.skipif(compiler() is None, reason="there is no C compiler to unset the clock with")
def test_device_whose_clock_was_never_set_connects_as_soon_as_it_is(
    start_broker: StartBroker, make_device: MakeDevice, authority: Authority, tmp_path: Path
) -> None:
    is_unset, environment = unset_clock(tmp_path)
    broker = start_broker(authority.issue("server"))
    device = start(make_device, broker.port, authority.issue(ID), environment)
    expect(device, "the broker's certificate is not valid yet, by this device's clock (1970-01-01)")

    is_unset.unlink()

    expect_connection(device)


def test_device_whose_own_certificate_has_expired_says_so_and_goes_on_trying(
    start_broker: StartBroker, make_device: MakeDevice, authority: Authority
) -> None:
    broker = start_broker(authority.issue("server"))
    tls = authority.issue(ID, days=(-1.5, -0.5))

    device = start(make_device, broker.port, tls)

    expect(device, f"this device's certificate {tls['cert']} has expired: renew it, or set the clock")
    assert device.stop() == 0


def test_device_whose_certificate_the_broker_does_not_know_says_so(
    start_broker: StartBroker, make_device: MakeDevice, authority: Authority, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path / "pki", "stranger").issue(ID)
    broker = start_broker(authority.issue("server"))

    device = start(make_device, broker.port, {**stranger, "ca": authority.file})

    expect(device, f"it may not trust who signed {stranger['cert']}")
    assert device.stop() == 0


def test_broker_without_tls_is_not_spoken_to(make_device: MakeDevice, authority: Authority, tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path)
    broker.start()
    try:
        device = start(make_device, broker.port, authority.issue(ID))

        expect(device, "no connection to localhost")
        assert device.stop() == 0
    finally:
        broker.stop()
