"""The configuration that we ship for Mosquitto, run by a real one: what may a device do that has been stolen?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from deploy.broker import mosquitto
from deploy.config import MqttConfig
from deploy.link import Link
from tests.integration.deploy.brokers import mosquitto_broker, until
from tests.integration.deploy.certificates import Authority
from tests.integration.deploy.conftest import NEEDS_MOSQUITTO

pytestmark = [pytest.mark.integration, pytest.mark.mosquitto, NEEDS_MOSQUITTO]

Connect = Callable[..., Link]


@pytest.fixture
def connect(tmp_path: Path) -> Iterator[Connect]:
    """Connects with the certificate of a name, perhaps under another client id."""
    authority = Authority(tmp_path)
    authority.issue("server")
    (tmp_path / mosquitto.ACL_NAME).write_text(mosquitto.acl(), encoding="utf-8")
    shipped = mosquitto.config(port=0, directory=str(tmp_path), certificates=str(tmp_path))
    lines = [line for line in shipped.splitlines() if not line.startswith("persistence")]
    text = "user root\n" + "\n".join(lines).replace("listener 0", "listener {port} 127.0.0.1") + "\n"
    with ExitStack() as links, mosquitto_broker(tmp_path, config=text) as ports:

        def connected(name: str, *topics: str, client_id: str | None = None) -> Link:
            config = MqttConfig(host="127.0.0.1", port=ports.mqtt5, protocol=5, tls=authority.issue(name))
            link = links.enter_context(Link(config, [(topic, 1) for topic in topics], client_id=client_id or name))
            link.wait_until_connected(10)
            return link

        yield connected


def topics_heard(link: Link, last: str) -> set[str]:
    """What a link has received by the time when it has received ``last``."""
    heard: set[str] = set()
    for _ in until(f"a message on {last}"):
        found = link.receive(0.2)
        link.acknowledge(found)
        heard |= {one.topic for one in found}
        if last in heard:
            return heard
    raise AssertionError


def test_a_device_speaks_for_itself_only(connect: Connect) -> None:
    fleet = connect("driftline-fleet", "driftline/#")
    stolen = connect("pi-1")

    stolen.publish("driftline/pi-2/status", b"offline", qos=1, retain=True)
    stolen.publish("driftline/pi-2/desired", b"{}", qos=1, retain=True)
    stolen.publish("driftline/pi-1/desired", b"{}", qos=1, retain=True)
    stolen.publish("driftline/group/south/desired", b"{}", qos=1, retain=True)
    stolen.publish("driftline/pi-1/status", b"online", qos=1, retain=True)

    assert topics_heard(fleet, "driftline/pi-1/status") == {"driftline/pi-1/status"}


def test_a_device_hears_what_is_meant_for_it_only(connect: Connect) -> None:
    fleet = connect("driftline-fleet")
    curious = connect("pi-1", "driftline/#")

    fleet.publish("driftline/pi-2/desired", b"{}", qos=1, retain=True)
    fleet.publish("driftline/pi-2/sample", b"{}", qos=1, retain=False)
    fleet.publish("driftline/group/south/desired", b"{}", qos=1, retain=True)
    fleet.publish("driftline/pi-1/desired", b"{}", qos=1, retain=True)

    assert topics_heard(curious, "driftline/pi-1/desired") == {
        "driftline/group/south/desired",
        "driftline/pi-1/desired",
    }


def test_files_go_to_the_device_that_asked_and_the_server_of_files_does_nothing_else(connect: Connect) -> None:
    files = connect("driftline-files", "driftline/#")
    curious = connect("pi-1", "driftline/#")
    fleet = connect("driftline-fleet", "driftline/#")

    curious.publish("driftline/pi-2/file/get", b"{}", qos=0, retain=False)
    curious.publish("driftline/pi-1/status", b"online", qos=1, retain=False)
    curious.publish("driftline/pi-1/file/get", b"{}", qos=1, retain=False)
    assert topics_heard(files, "driftline/pi-1/file/get") == {"driftline/pi-1/file/get"}
    files.publish("driftline/pi-1/desired", b"{}", qos=1, retain=True)
    files.publish("driftline/pi-2/file/block", b"{}", qos=1, retain=False)
    files.publish("driftline/pi-1/file/block", b"{}", qos=1, retain=False)

    assert topics_heard(curious, "driftline/pi-1/file/block") == {"driftline/pi-1/file/block"}
    assert "driftline/pi-1/desired" not in topics_heard(fleet, "driftline/pi-1/file/block")


def test_a_device_cannot_take_the_client_id_of_another(connect: Connect) -> None:
    victim = connect("pi-2", "driftline/pi-2/desired")
    connect("pi-1", client_id="pi-2")
    fleet = connect("driftline-fleet")

    fleet.publish("driftline/pi-2/desired", b"{}", qos=1, retain=True)

    topics_heard(victim, "driftline/pi-2/desired")
    assert victim.connections == 1
