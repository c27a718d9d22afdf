"""Home Assistant's MQTT discovery: one retained payload makes a device with all its entities appear there.

The device form of discovery is used (``homeassistant/device/<id>/config``). Templates here read the fields of the
messages next door, so a test holds their names against the classes. Written for Home Assistant 2025.4 and later.
"""

from __future__ import annotations

import json

from edge_models.errors import FieldError
from edge_models.fields import JsonValue
from edge_models.wire.channels import STATE_INTERVAL_S, channel_named
from edge_models.wire.discovery_sensors import ADAPTATION, GATING, Component, state_entities
from edge_models.wire.telemetry import DriftState, EventType, Meta, Status
from edge_models.wire.topics import CommandVerb, Topics

__all__ = ["ADAPTATION", "GATING", "ONLINE_BIRTH", "REMOVE", "device_discovery", "encode_discovery"]

QOS = 1
REMOVE = b""  # retained instead of the payload, it removes the device with all its entities
ONLINE_BIRTH = b"online"  # on homeassistant/status: send discovery again
DRIFT_EVENTS = (
    EventType.DRIFT_SUSPECTED,
    EventType.DRIFT_CONFIRMED,
    EventType.DRIFT_RECOVERED,
    EventType.MODEL_REQUESTED,
    EventType.REQUEST_CLOSED,
)
TRIGGERS = {  # of automations: what happened, and to what
    EventType.DRIFT_CONFIRMED: "drift",
    EventType.DRIFT_RECOVERED: "drift",
    EventType.UPDATE_COMMITTED: "model",
    EventType.ROLLED_BACK: "model",
    EventType.SOURCE_FAILED: "source",
}
_COMMAND = "{}"  # a whole command without an id; Home Assistant's templates cannot count
_EVENT = "{'event_type': value_json.type, 'severity': value_json.severity, 'message': value_json.message} | to_json"


def device_discovery(topics: Topics, meta: Meta, *, state_interval_s: float = STATE_INTERVAL_S) -> Component:
    """The discovery payload of one device.

    Args:
        topics: Where the device publishes.
        meta: What the device says about itself.
        state_interval_s: Reporting interval; sensors become unavailable after three of them.
    """
    components = {
        **state_entities(topics, meta, state_interval_s),
        **_drift_entities(topics, meta),
        **_model_entities(topics, meta),
        **_controls(topics, meta),
        **_triggers(topics, meta),
    }
    for key, component in components.items():
        if len(component) == 1:  # nothing but its platform: it is to go
            continue
        component["qos"] = QOS
        if component["platform"] != "device_automation":  # which is no entity
            component["unique_id"] = f"driftline_{meta.id}_{key}"
    return {
        "device": _device(meta),
        "origin": {"name": "Driftline", "sw_version": meta.agent},
        "availability_topic": topics.status(meta.id),
        "payload_available": Status.ONLINE.value,
        "payload_not_available": Status.OFFLINE.value,
        "components": dict(components.items()),
    }


def encode_discovery(payload: Component) -> bytes:
    """The bytes to publish retained on ``discovery_topic``.

    Raises:
        FieldError: They are more than the channel allows.
    """
    data = json.dumps(payload, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    limit = channel_named("discovery").max_bytes
    if len(data) > limit:
        raise FieldError("discovery", f"{len(data)} bytes", f"at most {limit} bytes; shorten labels and names")
    return data


def _device(meta: Meta) -> JsonValue:
    device: Component = {
        "identifiers": [f"driftline_{meta.id}"],
        "name": meta.labels.get("name", meta.id),
        "manufacturer": "Driftline",
        "model": meta.hardware or meta.arch or "edge device",
        "sw_version": meta.agent,
    }
    if site := meta.labels.get("site"):
        device["suggested_area"] = site
    return device


def _drift_entities(topics: Topics, meta: Meta) -> dict[str, Component]:
    topic = topics.drift(meta.id)
    confirmed = [DriftState.CONFIRMED.value, DriftState.REQUESTED.value]
    kinds: list[JsonValue] = [kind.value for kind in DRIFT_EVENTS]
    return {
        "drift": {
            "platform": "binary_sensor",
            "name": "Drift",
            "state_topic": topic,
            "value_template": f"{{{{ 'ON' if value_json.state in {confirmed} and not value_json.benign else 'OFF' }}}}",
            "device_class": "problem",
            "json_attributes_topic": topic,
        },
        "drift_state": {
            "platform": "sensor",
            "name": "Drift state",
            "state_topic": topic,
            "value_template": "{{ value_json.state }}",
            "device_class": "enum",
            "options": [state.value for state in DriftState],
        },
        "drift_event": {
            "platform": "event",
            "name": "Drift event",
            "state_topic": topics.event(meta.id),
            "event_types": kinds,
            # Nothing is what Home Assistant passes over: the other events are those of the entity below.
            "value_template": f"{{{{ {_EVENT} if value_json.type in {kinds} else '' }}}}",
        },
    }


def _model_entities(topics: Topics, meta: Meta) -> dict[str, Component]:
    model_state = topics.model_state(meta.id)
    return {
        "model": {
            "platform": "update",
            "name": "Model",
            "state_topic": topics.model_update(meta.id),
            "command_topic": topics.command(meta.id, CommandVerb.INSTALL),
            "payload_install": _COMMAND,
        },
        "update_phase": {
            "platform": "sensor",
            "name": "Update phase",
            "state_topic": model_state,
            "value_template": "{{ value_json.phase }}",
            "json_attributes_topic": model_state,
            "entity_category": "diagnostic",
        },
        "event": {
            "platform": "event",
            "name": "Event",
            "state_topic": topics.event(meta.id),
            "event_types": [kind.value for kind in EventType],
            "value_template": f"{{{{ {_EVENT} }}}}",
        },
    }


def _controls(topics: Topics, meta: Meta) -> dict[str, Component]:
    """What a person may do; going back is there, but has to be enabled first."""
    names = {
        CommandVerb.CHECK: "Check for a model",
        CommandVerb.INSTALL: "Install the model",
        CommandVerb.ROLLBACK: "Roll back the model",
    }
    if ADAPTATION in meta.capabilities:
        names[CommandVerb.UNDO] = "Undo what was learnt"
    buttons: dict[str, Component] = {
        verb.value: {
            "platform": "button",
            "name": name,
            "command_topic": topics.command(meta.id, verb),
            "payload_press": _COMMAND,
            "entity_category": "config",
        }
        for verb, name in names.items()
    }
    buttons[CommandVerb.ROLLBACK.value]["enabled_by_default"] = False
    buttons.setdefault(CommandVerb.UNDO.value, {"platform": "button"})
    hold: Component = {
        "platform": "switch",
        "name": "Hold updates",
        "state_topic": topics.model_state(meta.id),
        "value_template": "{{ 'ON' if value_json.held else 'OFF' }}",
        "state_on": "ON",
        "state_off": "OFF",
        "command_topic": topics.command(meta.id, CommandVerb.HOLD),
        "payload_on": '{"args":{"on":true}}',
        "payload_off": '{"args":{"on":false}}',
        "entity_category": "config",
    }
    return {**buttons, CommandVerb.HOLD.value: hold}


def _triggers(topics: Topics, meta: Meta) -> dict[str, Component]:
    """Starts of automations; a trigger fires at the event itself, where an entity shows the last one."""
    return {
        f"on_{kind.value}": {
            "platform": "device_automation",
            "automation_type": "trigger",
            "type": kind.value,
            "subtype": subtype,
            "topic": topics.event(meta.id),
            "payload": kind.value,
            "value_template": "{{ value_json.type }}",
        }
        for kind, subtype in TRIGGERS.items()
    }
