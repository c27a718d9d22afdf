"""Home Assistant's discovery payload: the rules that its MQTT integration checks (mqtt/schemas.py there)."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import pytest

from edge_models.errors import FieldError
from edge_models.wire import DeviceId, DriftReport, Event, EventType, Meta, ModelState, State, Topics
from edge_models.wire.discovery import device_discovery, encode_discovery

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
COMPONENTS: dict[str, Any] = PAYLOAD["components"]
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
    assert COMPONENTS[key]["platform"] in {"sensor", "binary_sensor", "update", "event", "button"}
    assert COMPONENTS[key]["unique_id"] == f"driftline_pi7-cam_{key}"
    assert "object_id" not in COMPONENTS[key]


def test_names_and_ids_are_unique() -> None:
    assert len({component["unique_id"] for component in COMPONENTS.values()}) == len(COMPONENTS)
    assert len({component["name"] for component in COMPONENTS.values()}) == len(COMPONENTS)


@pytest.mark.parametrize("key", [key for key in IDS if "value_template" in COMPONENTS[key]])
def test_template_reads_fields_that_the_message_has(key: str) -> None:
    template = COMPONENTS[key]["value_template"]
    fields = set(re.findall(r"value_json\.(\w+)", template))
    message = MESSAGES[COMPONENTS[key]["state_topic"]]

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
    (event,) = of_platform("event")

    assert set(event["event_types"]) == set(EventType)
    assert "'event_type': value_json.type" in event["value_template"]


def test_button_asks_for_a_check_and_nothing_is_retained() -> None:
    (button,) = of_platform("button")

    assert (button["command_topic"], button["payload_press"]) == ("driftline/pi7-cam/cmd/check", "{}")
    assert not any("retain" in component for component in COMPONENTS.values())


def test_how_a_model_runs_is_shown_with_the_reason_why_not_faster() -> None:
    executor = COMPONENTS["executor"]

    assert (executor["value_template"], executor["entity_category"]) == ("{{ value_json.executor }}", "diagnostic")
    assert not {"state_class", "unit_of_measurement"} & set(executor)  # a word, no measurement
    fields = set(re.findall(r"value_json\.(\w+)", executor["json_attributes_template"]))
    assert {"executor_note", "runtime"} < fields <= {field.name for field in dataclasses.fields(State)}


def test_gating_and_adaptation_are_shown_where_the_device_has_them() -> None:
    abilities = {"gating": "threshold 12", "adaptation": "delta_rule"}
    payload: Any = device_discovery(TOPICS, dataclasses.replace(META, capabilities=abilities))

    more = {key: payload["components"][key] for key in set(payload["components"]) - set(COMPONENTS)}

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
