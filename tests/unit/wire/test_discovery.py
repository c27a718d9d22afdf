"""Home Assistant's discovery payload: the rules that its MQTT integration checks (mqtt/schemas.py there)."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import pytest

from edge_models.errors import FieldError
from edge_models.wire import DeviceId, DriftReport, Event, EventType, Meta, ModelState, State, Topics
from edge_models.wire.codec import decode_message, encode_message
from edge_models.wire.command import Command
from edge_models.wire.discovery import TRIGGERS, device_discovery, encode_discovery
from edge_models.wire.topics import discovery_topic
from edge_models.wire.update import UpdateEntity
from tests.unit.wire.home_assistant import (
    DiscoveryError,
    check_component,
    check_device_discovery,
    check_discovery_topic,
    check_update_state,
)

TOPICS = Topics()
META = Meta(
    ts=None,
    up=3.0,
    id=DeviceId("pi7-cam"),
    agent="0.1.0",
    model="digits",
    channel="stable",
    hardware="Raspberry Pi 4 Model B Rev 1.4",
    labels={"site": "Greenhouse 2"},
)
PAYLOAD: Any = device_discovery(TOPICS, META)
COMPONENTS: dict[str, Any] = {key: one for key, one in PAYLOAD["components"].items() if len(one) > 1}
GONE = {key: one for key, one in PAYLOAD["components"].items() if len(one) == 1}
EVERYTHING = dataclasses.replace(META, capabilities={"gating": "threshold 12", "adaptation": "delta_rule"})
MESSAGES = {
    TOPICS.state(META.id): State,
    TOPICS.drift(META.id): DriftReport,
    TOPICS.model_state(META.id): ModelState,
    TOPICS.event(META.id): Event,
}
IDS = list(COMPONENTS)


def of_platform(platform: str) -> list[Any]:
    return [component for component in COMPONENTS.values() if component["platform"] == platform]


def test_device_and_origin_are_there() -> None:
    assert PAYLOAD["device"]["identifiers"] == ["driftline_pi7-cam"]
    assert PAYLOAD["device"]["suggested_area"] == "Greenhouse 2"
    assert PAYLOAD["origin"]["name"] == "Driftline"


def test_device_without_a_site_or_board_is_still_described() -> None:
    payload: Any = device_discovery(TOPICS, dataclasses.replace(META, labels={}, hardware=""))

    assert "suggested_area" not in payload["device"]
    assert payload["device"]["model"]


def test_availability_is_the_status_topic() -> None:
    assert PAYLOAD["availability_topic"] == "driftline/pi7-cam/status"
    assert (PAYLOAD["payload_available"], PAYLOAD["payload_not_available"]) == ("online", "offline")


@pytest.mark.parametrize("key", IDS)
def test_entity_has_a_platform_and_a_unique_id(key: str) -> None:
    is_entity = COMPONENTS[key]["platform"] != "device_automation"
    assert COMPONENTS[key].get("unique_id") == (f"driftline_pi7-cam_{key}" if is_entity else None)
    assert "object_id" not in COMPONENTS[key]


def test_names_and_ids_are_unique() -> None:
    entities = [component for component in COMPONENTS.values() if component["platform"] != "device_automation"]

    assert len({entity["unique_id"] for entity in entities}) == len(entities)
    assert len({entity["name"] for entity in entities}) == len(entities)


@pytest.mark.parametrize("key", [key for key in IDS if "value_template" in COMPONENTS[key]])
def test_template_reads_fields_that_the_message_has(key: str) -> None:
    template = COMPONENTS[key]["value_template"]
    fields = set(re.findall(r"value_json\.(\w+)", template))
    message = MESSAGES[COMPONENTS[key].get("state_topic") or COMPONENTS[key]["topic"]]

    assert fields
    assert fields <= {field.name for field in dataclasses.fields(message)}
    assert template.count("{{") == template.count("}}") == 1


@pytest.mark.parametrize("key", IDS)
def test_enum_sensor_has_options_and_no_unit(key: str) -> None:
    component = COMPONENTS[key]

    if "options" in component:
        assert component["device_class"] == "enum"
        assert "state_class" not in component
        assert "unit_of_measurement" not in component


def test_metrics_expire_after_three_intervals() -> None:
    payload: Any = device_discovery(TOPICS, META, state_interval_s=0.2)

    assert COMPONENTS["rate_hz"]["expire_after"] == 90
    assert payload["components"]["rate_hz"]["expire_after"] == 1


def test_confirmed_drift_is_a_problem() -> None:
    assert COMPONENTS["drift"]["device_class"] == "problem"
    assert COMPONENTS["drift"]["platform"] == "binary_sensor"
    template = COMPONENTS["drift"]["value_template"]
    assert "['confirmed', 'requested'] and not value_json.benign" in template


def test_update_entity_installs_through_its_command() -> None:
    (update,) = of_platform("update")

    assert update["state_topic"] == "driftline/pi7-cam/model/update"
    assert (update["command_topic"], update["payload_install"]) == ("driftline/pi7-cam/cmd/install", "{}")
    assert "value_template" not in update


def test_event_entity_knows_every_event_type() -> None:
    event, drift = COMPONENTS["event"], COMPONENTS["drift_event"]

    assert set(event["event_types"]) == set(EventType)
    assert "'event_type': value_json.type" in event["value_template"]
    assert {"drift_confirmed", "drift_recovered"} < set(drift["event_types"]) < set(EventType)
    assert f"if value_json.type in {drift['event_types']} else ''" in drift["value_template"]


def test_automations_may_start_when_drift_is_confirmed() -> None:
    triggers = of_platform("device_automation")

    assert [trigger["payload"] for trigger in triggers] == [kind.value for kind in TRIGGERS]
    assert triggers[0] == {
        "platform": "device_automation", "automation_type": "trigger", "type": "drift_confirmed", "subtype": "drift",
        "topic": "driftline/pi7-cam/event", "payload": "drift_confirmed", "value_template": "{{ value_json.type }}",
        "qos": 1,
    }  # fmt: skip


def test_buttons_and_the_switch_send_commands_that_the_device_takes() -> None:
    buttons = {button["command_topic"]: button["payload_press"] for button in of_platform("button")}
    (hold,) = of_platform("switch")

    assert set(buttons) == {f"driftline/pi7-cam/cmd/{verb}" for verb in ("check", "install", "rollback")}
    assert hold["command_topic"] == "driftline/pi7-cam/cmd/hold"
    sent = [*buttons.values(), hold["payload_on"], hold["payload_off"]]
    commands = [decode_message(Command, payload.encode()) for payload in sent]
    assert [command.args for command in commands] == [{}, {}, {}, {"on": True}, {"on": False}]
    assert not any("retain" in component for component in COMPONENTS.values())


def test_going_back_has_to_be_enabled_by_a_person_first() -> None:
    assert COMPONENTS["rollback"]["enabled_by_default"] is False


def test_how_a_model_runs_is_shown_with_the_reason_why_not_faster() -> None:
    executor = COMPONENTS["executor"]

    assert (executor["value_template"], executor["entity_category"]) == ("{{ value_json.executor }}", "diagnostic")
    assert not {"state_class", "unit_of_measurement"} & set(executor)  # a word, no measurement
    fields = set(re.findall(r"value_json\.(\w+)", executor["json_attributes_template"]))
    assert {"executor_note", "runtime"} < fields <= {field.name for field in dataclasses.fields(State)}


def test_gating_and_adaptation_are_shown_where_the_device_has_them() -> None:
    payload: Any = device_discovery(TOPICS, EVERYTHING)

    more = {key: payload["components"][key] for key in GONE}

    assert set(more) == {"held", "adapted_rev", "undo"}
    assert "value_json.n" in more["held"]["value_template"]
    assert more["held"]["unit_of_measurement"] == "%"
    assert more["undo"]["command_topic"] == "driftline/pi7-cam/cmd/undo"
    assert all(component["unique_id"].startswith("driftline_pi7-cam_") for component in more.values())
    templates = [component["value_template"] for component in more.values() if "value_template" in component]
    assert set(re.findall(r"value_json\.(\w+)", "".join(templates))) == {"held", "n", "adapted_rev"}


def test_payload_is_bytes_within_the_limit() -> None:
    assert json.loads(encode_discovery(PAYLOAD)) == PAYLOAD

    with pytest.raises(FieldError, match=r"discovery: found .* expected at most 32768 bytes"):
        encode_discovery({"name": "x" * 40_000})


@pytest.mark.parametrize("meta", [META, EVERYTHING])
def test_home_assistant_takes_all_of_it(meta: Meta) -> None:
    payload = json.loads(encode_discovery(device_discovery(TOPICS, meta)))

    check_device_discovery(payload)
    check_discovery_topic(discovery_topic(meta.id))


def test_what_a_device_has_no_more_is_reduced_to_its_platform_which_removes_it() -> None:
    assert GONE == {
        "held": {"platform": "sensor"}, "adapted_rev": {"platform": "sensor"}, "undo": {"platform": "button"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"object_id": "x"}, "unknown key object_id"),
        ({"unit_of_measurement": "furlong"}, "no unit of frequency"),
        ({"state_topic": "driftline/+/state"}, "state_topic"),
        ({"entity_category": "hidden"}, "entity_category"),
        ({"expire_after": "90"}, "expire_after"),
        ({"options": ["a"]}, "options beside"),
        ({"platform": "lamp"}, "no platform"),
    ],
)
def test_the_rules_notice_what_home_assistant_would_drop(change: dict[str, object], said: str) -> None:
    with pytest.raises(DiscoveryError, match=said):
        check_component("rate_hz", COMPONENTS["rate_hz"] | change)


def test_an_entity_without_an_id_is_noticed() -> None:
    without = {key: value for key, value in COMPONENTS["drift"].items() if key != "unique_id"}

    with pytest.raises(DiscoveryError, match="unique_id missing"):
        check_component("drift", without)


@pytest.mark.parametrize(
    "state",
    [
        UpdateEntity(),
        UpdateEntity(installed_version="1.0", latest_version="1.1", title="digits", in_progress=False),
        UpdateEntity(installed_version="1.0", in_progress=True, update_percentage=40.5),
    ],
)
def test_the_update_entity_is_sent_its_eight_keys_and_no_others(state: UpdateEntity) -> None:
    payload = json.loads(encode_message(state))

    check_update_state(payload)
    with pytest.raises(DiscoveryError, match="unknown key v"):
        check_update_state({**payload, "v": 1})
