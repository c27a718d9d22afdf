"""What Home Assistant gets of a device: the whole program, real brokers, Home Assistant's rules."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from agent.supervisor import DISCOVERY_JITTER_S
from edge_models.bundle import Bundle
from tests.integration.agent.brokers import Broker, Embedded
from tests.integration.agent.conftest import Fleet, MakeDevice
from tests.integration.agent.device import ID, Heard, Onlooker, until
from tests.unit.wire.home_assistant import check_device_discovery, check_discovery_topic, check_update_state

pytestmark = pytest.mark.integration
DISCOVERY = f"homeassistant/device/{ID}/config"


def discoveries(onlooker: Onlooker) -> list[Heard]:
    return [heard for heard in onlooker.heard if heard.topic == DISCOVERY]


def publish(port: int, topic: str, payload: bytes, *, retain: bool = False) -> None:
    """As Home Assistant, which has topics of its own."""
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.connect("127.0.0.1", port)
    client.loop_start()
    client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(20)
    client.disconnect()
    client.loop_stop()


def press(port: int, component: dict[str, Any], key: str) -> None:
    """Do what an entity does when a person uses it."""
    publish(port, component["command_topic"], component[key].encode())


def test_a_device_is_announced_by_the_rules_and_again_when_home_assistant_starts(
    broker: Broker, make_device: MakeDevice
) -> None:
    onlooker = Onlooker(broker.port)
    device = make_device(broker.port, gating={"threshold": 12})
    device.start()
    until(lambda: discoveries(onlooker), "discovery", log=device.log)
    first = discoveries(onlooker)[0]

    born_s = time.monotonic()
    publish(broker.port, "homeassistant/status", b"online")
    until(lambda: len(discoveries(onlooker)) > 1, "discovery again", log=device.log)
    again = discoveries(onlooker)[1]

    check_discovery_topic(first.topic)
    check_device_discovery(first.json)
    assert again.payload == first.payload
    assert again.at_s - born_s < DISCOVERY_JITTER_S + 5
    newcomer = Onlooker(broker.port)  # it is retained: Home Assistant may start whenever it likes
    until(lambda: discoveries(newcomer), "what is retained")
    assert discoveries(newcomer)[0].retained
    for one in (onlooker, newcomer):
        one.close()


def test_what_the_entities_show_is_what_the_device_says(
    embedded: Embedded, onlooker: Onlooker, make_device: MakeDevice
) -> None:
    device = make_device(embedded.port)
    device.start()
    until(lambda: discoveries(onlooker), "discovery", log=device.log)
    components = discoveries(onlooker)[0].json["components"]
    onlooker.wait_for("event")
    state = onlooker.wait_for("state", lambda heard: heard.json["source"] == "ok")

    topics = {component.get("state_topic") or component.get("topic") for component in components.values()}
    said = {heard.topic for heard in onlooker.heard}

    assert topics - {None} <= said
    assert not any(heard.retained for heard in onlooker.of("event"))  # a retained event would fire at every start
    for key in ("rate_hz", "p95_us", "cpu_percent", "memory_mb", "outbox_messages", "source"):
        assert key in state.json
    check_update_state(onlooker.wait_for("model/update").json)


def test_the_install_button_and_the_switch_reach_the_device(
    embedded: Embedded, onlooker: Onlooker, make_device: MakeDevice, fleet: Fleet, bundles: dict[str, Bundle]
) -> None:
    device = make_device(embedded.port, update=fleet.update(poll_s=3600))
    device.start()
    until(lambda: discoveries(onlooker), "discovery", log=device.log)
    components = discoveries(onlooker)[0].json["components"]

    press(embedded.port, components["hold"], "payload_on")
    held = onlooker.wait_for("model/state", lambda heard: heard.json["held"])
    fleet.offer(bundles["second"])
    press(embedded.port, components["hold"], "payload_off")
    onlooker.wait_for("model/state", lambda heard: not heard.json["held"], after_s=held.at_s)
    press(embedded.port, components["model"], "payload_install")
    onlooker.wait_for("model/update", lambda heard: heard.json.get("installed_version") == "2.0")

    updates = [json.loads(heard.payload) for heard in onlooker.of("model/update")]
    for update in updates:
        check_update_state(update)
    assert any(update["in_progress"] for update in updates)
    press(embedded.port, components["rollback"], "payload_press")
    onlooker.wait_for(
        "model/update", lambda heard: heard.json.get("installed_version") == "1.0", after_s=time.monotonic() - 1
    )


def test_a_device_that_is_to_be_forgotten_takes_all_of_it_back(
    embedded: Embedded, onlooker: Onlooker, make_device: MakeDevice
) -> None:
    device = make_device(embedded.port)
    device.start()
    until(lambda: discoveries(onlooker), "discovery", log=device.log)
    device.stop()

    quiet = make_device(embedded.port, homeassistant={"enabled": False})
    quiet.start()
    onlooker.wait_for("status", lambda heard: heard.payload == b"online", after_s=time.monotonic())
    until(lambda: discoveries(onlooker)[-1].payload == b"", "the removal", log=quiet.log)

    newcomer = Onlooker(embedded.port)
    until(lambda: newcomer.of("status"), "what is retained")
    assert discoveries(newcomer) == []
    newcomer.close()
    quiet.stop()
    removals = len(discoveries(onlooker))
    again_s = time.monotonic()
    quiet.start()
    onlooker.wait_for("status", lambda heard: heard.payload == b"online", after_s=again_s)
    onlooker.wait_for("state", lambda heard: heard.json["rate_hz"] > 0, after_s=again_s)  # well after it has connected
    assert len(discoveries(onlooker)) == removals  # once is enough


def test_a_device_that_is_gone_is_unavailable(embedded: Embedded, onlooker: Onlooker, make_device: MakeDevice) -> None:
    device = make_device(embedded.port)
    device.start()
    until(lambda: discoveries(onlooker), "discovery", log=device.log)
    payload = discoveries(onlooker)[0].json
    onlooker.wait_for("status", lambda heard: heard.payload == payload["payload_available"].encode())

    device.stop()

    assert payload["availability_topic"] == f"driftline/{ID}/status"
    onlooker.wait_for("status", lambda heard: heard.payload == payload["payload_not_available"].encode())
