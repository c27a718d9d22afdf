"""Home Assistant's entities that show how a device does; all of them read ``state``."""

from __future__ import annotations

from dataclasses import dataclass

from edge_models.fields import JsonValue
from edge_models.wire.telemetry import Meta
from edge_models.wire.topics import Topics

Component = dict[str, JsonValue]
GATING, ADAPTATION = "gating", "adaptation"  # capabilities of Meta that have entities of their own


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


def state_entities(topics: Topics, meta: Meta, state_interval_s: float) -> dict[str, Component]:
    """Sensors, and problems of the board and of the source.

    One that this device has nothing for is reduced to its platform, which removes it where an earlier start had it.
    """
    shared: Component = {"state_topic": topics.state(meta.id), "expire_after": max(1, round(3 * state_interval_s))}
    entities: dict[str, Component] = {}
    for gauge in _GAUGES:
        has_it = gauge.needs is None or gauge.needs in meta.capabilities
        entities[gauge.field] = {"platform": "sensor", **(_sensor(gauge, shared) if has_it else {})}
    attributes = "'artifact': value_json.artifact, 'runtime': value_json.runtime, 'note': value_json.executor_note"
    entities["executor"] = {
        "platform": "sensor",
        "name": "Executor",
        **shared,
        "value_template": "{{ value_json.executor }}",
        "json_attributes_topic": topics.state(meta.id),
        "json_attributes_template": "{{ {" + attributes + "} | to_json }}",
        "entity_category": "diagnostic",
    }
    entities["throttled"] = {
        "platform": "binary_sensor",
        "name": "Throttled",
        **shared,
        "value_template": "{{ 'None' if value_json.throttled is none else 'ON' if value_json.throttled else 'OFF' }}",
        "device_class": "problem",
        "entity_category": "diagnostic",
    }
    fine = "value_json.source in ['ok', 'ended']"
    entities["source"] = {
        "platform": "binary_sensor",
        "name": "Source",
        **shared,
        "value_template": f"{{{{ 'None' if value_json.source is none else 'OFF' if {fine} else 'ON' }}}}",
        "device_class": "problem",
        "json_attributes_topic": topics.state(meta.id),
        "json_attributes_template": "{{ {'source': value_json.source} | to_json }}",
    }
    return entities


def _sensor(gauge: _Gauge, shared: Component) -> Component:
    field = f"value_json.{gauge.field}"
    sensor: Component = {
        "name": gauge.name,
        **shared,
        "value_template": f"{{{{ {gauge.value.format(field)} if {field} is not none else none }}}}",
        "state_class": "measurement",
    }
    optional = {"unit_of_measurement": gauge.unit, "device_class": gauge.device_class}
    sensor |= {key: text for key, text in optional.items() if text is not None}
    if gauge.diagnostic:
        sensor["entity_category"] = "diagnostic"
    return sensor
