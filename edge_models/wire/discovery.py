"""Home Assistant's MQTT discovery: one retained payload makes a device with all its entities appear there.

The device form of discovery is used (``homeassistant/device/<id>/config``). Templates here read the fields of the
messages next door, so a test holds their names against the classes. Written for Home Assistant 2025.4 and later.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from edge_models.errors import FieldError
from edge_models.fields import JsonValue
from edge_models.wire.channels import STATE_INTERVAL_S, channel_named
from edge_models.wire.telemetry import DriftState, EventType, Meta, Status
from edge_models.wire.topics import CommandVerb, Topics

Component = dict[str, JsonValue]
QOS = 1
REMOVE = b""  # retained instead of the payload, it removes the device with all its entities
ONLINE_BIRTH = b"online"  # on homeassistant/status: send discovery again
GATING, ADAPTATION = "gating", "adaptation"  # capabilities of Meta that have entities of their own
_COMMAND = "{}"  # a whole command without an id; Home Assistant's templates cannot count


@dataclass(frozen=True, slots=True)
class _Gauge:
    """A sensor that shows one number of ``State``; None there becomes Home Assistant's ``unknown``."""

    field: str
    name: str
    unit: str | None
    device_class: str | None = None
    diagnostic: bool = True
    value: str = "{0}"  # expression over the field
    needs: str | None = None  # the capability without which there is nothing to show


_GAUGES = (
    _Gauge("rate_hz", "Inference rate", "Hz", "frequency", diagnostic=False),
    _Gauge("p95_us", "Inference time p95", "ms", "duration", diagnostic=False, value="({0} / 1000) | round(2)"),
    _Gauge("cpu_percent", "Processor load", "%"),
    _Gauge("cpu_temperature_c", "Processor temperature", "°C", "temperature"),
    _Gauge("memory_mb", "Memory", "MB", "data_size"),
    _Gauge("disk_free_mb", "Free space", "MB", "data_size"),
    _Gauge("outbox_messages", "Waiting messages", None),
    _Gauge("held", "Frames held", "%", value="(100 * {0} / [value_json.n, 1] | max) | round(1)", needs=GATING),
    _Gauge("adapted_rev", "Learnt revision", None, needs=ADAPTATION),
)


def device_discovery(topics: Topics, meta: Meta, *, state_interval_s: float = STATE_INTERVAL_S) -> Component:
    """The discovery payload of one device.

    Args:
        topics: Where the device publishes.
        meta: What the device says about itself.
        state_interval_s: Reporting interval; sensors become unavailable after three of them.
    """
    components = {
        **_state_sensors(topics, meta, state_interval_s),
        **_drift_entities(topics, meta),
        **_model_entities(topics, meta),
    }
    for key, component in components.items():
        component |= {"unique_id": f"driftline_{meta.id}_{key}", "qos": QOS}
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


def _state_sensors(topics: Topics, meta: Meta, state_interval_s: float) -> dict[str, Component]:
    shared: Component = {"state_topic": topics.state(meta.id), "expire_after": max(1, round(3 * state_interval_s))}
    sensors: dict[str, Component] = {}
    for gauge in _GAUGES:
        if gauge.needs is not None and gauge.needs not in meta.capabilities:
            continue
        field = f"value_json.{gauge.field}"
        sensor: Component = {
            "platform": "sensor",
            "name": gauge.name,
            **shared,
            "value_template": f"{{{{ {gauge.value.format(field)} if {field} is not none else none }}}}",
            "state_class": "measurement",
        }
        optional = {"unit_of_measurement": gauge.unit, "device_class": gauge.device_class}
        sensor |= {key: text for key, text in optional.items() if text is not None}
        if gauge.diagnostic:
            sensor["entity_category"] = "diagnostic"
        sensors[gauge.field] = sensor
    attributes = "'artifact': value_json.artifact, 'runtime': value_json.runtime, 'note': value_json.executor_note"
    sensors["executor"] = {
        "platform": "sensor",
        "name": "Executor",
        **shared,
        "value_template": "{{ value_json.executor }}",
        "json_attributes_topic": topics.state(meta.id),
        "json_attributes_template": "{{ {" + attributes + "} | to_json }}",
        "entity_category": "diagnostic",
    }
    sensors["throttled"] = {
        "platform": "binary_sensor",
        "name": "Throttled",
        **shared,
        "value_template": "{{ 'None' if value_json.throttled is none else 'ON' if value_json.throttled else 'OFF' }}",
        "device_class": "problem",
        "entity_category": "diagnostic",
    }
    return sensors


def _drift_entities(topics: Topics, meta: Meta) -> dict[str, Component]:
    topic = topics.drift(meta.id)
    confirmed = [DriftState.CONFIRMED.value, DriftState.REQUESTED.value]
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
    }


def _model_entities(topics: Topics, meta: Meta) -> dict[str, Component]:
    model_state = topics.model_state(meta.id)
    attributes = "'event_type': value_json.type, 'severity': value_json.severity, 'message': value_json.message"
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
            "value_template": "{{ {" + attributes + "} | to_json }}",
        },
        **_buttons(topics, meta),
    }


def _buttons(topics: Topics, meta: Meta) -> dict[str, Component]:
    names = {CommandVerb.CHECK: "Check for a model"}
    if ADAPTATION in meta.capabilities:
        names[CommandVerb.UNDO] = "Undo what was learnt"
    return {
        verb.value: {
            "platform": "button",
            "name": name,
            "command_topic": topics.command(meta.id, verb),
            "payload_press": _COMMAND,
            "entity_category": "config",
        }
        for verb, name in names.items()
    }
