"""Home Assistant's rules for MQTT discovery and for what its entities are sent, as strict as they can be read.

Taken from Home Assistant 2025.4.4, ``homeassistant/components/mqtt``: ``schemas.py`` (device, origin, availability,
what entities have in common), ``config.py`` and the ``PLATFORM_SCHEMA`` of each platform. Where Home Assistant passes
over an unknown key of a component, this refuses it: such a key is a mistake that nobody would ever notice.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Check = Callable[[Any], bool]

TOPIC_PART = re.compile(r"[a-zA-Z0-9_-]+")  # of discovery topics: TOPIC_MATCHER in discovery.py
ENTITY_PLATFORMS = {"sensor", "binary_sensor", "update", "event", "button", "switch"}


class DiscoveryError(Exception):
    """Home Assistant would drop this, or a part of it."""


def text(value: Any) -> bool:
    return isinstance(value, str)


def flag(value: Any) -> bool:
    return isinstance(value, bool)


def count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def texts(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(map(text, value))


def topic(value: Any) -> bool:
    return text(value) and 0 < len(value.encode()) <= 65535 and not re.search(r"[#+\x00-\x1f\x7f-\x9f]", value)


def template(value: Any) -> bool:
    return text(value) and value.count("{{") == value.count("}}") == 1 and value.count("(") == value.count(")")


def qos(value: Any) -> bool:
    return value in (0, 1, 2) and not isinstance(value, bool)


def one_of(*values: str) -> Check:
    return lambda value: value in values


def configuration_url(value: Any) -> bool:
    return text(value) and re.match(r"(https?|homeassistant)://\S+", value) is not None


BASE: dict[str, Check] = {"qos": qos, "encoding": text}
AVAILABILITY: dict[str, Check] = {
    "availability_topic": topic, "availability_template": template, "payload_available": text,
    "payload_not_available": text, "availability_mode": one_of("all", "any", "latest"),
}  # fmt: skip
ENTITY: dict[str, Check] = {
    **BASE, **AVAILABILITY, "unique_id": text, "name": text, "enabled_by_default": flag,
    "entity_category": one_of("config", "diagnostic"), "icon": text, "json_attributes_topic": topic,
    "json_attributes_template": template,
}  # fmt: skip
READ: dict[str, Check] = {**ENTITY, "state_topic": topic, "value_template": template}
PROBLEMS = ("problem", "connectivity", "running", "update")
UNITS = {  # device classes that measure: homeassistant/components/sensor/const.py, DEVICE_CLASS_UNITS
    "frequency": {"Hz", "kHz", "MHz", "GHz"},
    "duration": {"µs", "ms", "s", "min", "h", "d", "w"},
    "temperature": {"°C", "°F", "K"},
    "data_size": {"B", "kB", "MB", "GB", "KiB", "MiB", "GiB"},
}

PLATFORMS: dict[str, tuple[set[str], dict[str, Check]]] = {
    "sensor": (
        {"state_topic"},
        {
            **READ, "device_class": one_of("enum", *UNITS), "expire_after": count, "force_update": flag,
            "options": texts, "suggested_display_precision": count,
            "state_class": one_of("measurement", "total", "total_increasing"), "unit_of_measurement": text,
        },
    ),
    "binary_sensor": (
        {"state_topic"},
        {
            **READ, "device_class": one_of(*PROBLEMS), "expire_after": count, "force_update": flag, "off_delay": count,
            "payload_on": text, "payload_off": text,
        },
    ),
    "update": (
        {"state_topic"},
        {
            **READ, "command_topic": topic, "device_class": one_of("firmware"), "display_precision": count,
            "latest_version_template": template, "latest_version_topic": topic, "payload_install": text,
            "release_summary": text, "release_url": configuration_url, "retain": flag, "title": text,
        },
    ),
    "event": (
        {"state_topic", "event_types"},
        {**READ, "device_class": one_of("doorbell", "button", "motion"), "event_types": texts},
    ),
    "button": (
        {"command_topic"},
        {
            **ENTITY, "command_template": template, "command_topic": topic,
            "device_class": one_of("identify", "restart", "update"), "payload_press": text, "retain": flag,
        },
    ),
    "switch": (
        {"command_topic"},
        {
            **READ, "command_template": template, "command_topic": topic, "optimistic": flag, "retain": flag,
            "payload_on": text, "payload_off": text, "state_on": text, "state_off": text,
            "device_class": one_of("outlet", "switch"),
        },
    ),
    "device_automation": (
        {"automation_type", "topic", "type", "subtype"},
        {
            **BASE, "automation_type": one_of("trigger"), "payload": text, "subtype": text, "topic": topic,
            "type": text, "value_template": template,
        },
    ),
}  # fmt: skip
DEVICE: dict[str, Check] = {
    "identifiers": texts, "connections": lambda value: isinstance(value, list), "manufacturer": text, "model": text,
    "model_id": text, "name": text, "hw_version": text, "serial_number": text, "sw_version": text,
    "via_device": text, "suggested_area": text, "configuration_url": configuration_url,
}  # fmt: skip
ORIGIN: dict[str, Check] = {"name": text, "sw_version": text, "support_url": configuration_url}
ROOT: dict[str, Check] = {
    **AVAILABILITY, **BASE, "device": lambda value: isinstance(value, dict),
    "origin": lambda value: isinstance(value, dict), "components": lambda value: isinstance(value, dict),
    "state_topic": topic, "command_topic": topic,
}  # fmt: skip
UPDATE_STATE: dict[str, Check] = {  # MQTT_JSON_UPDATE_SCHEMA in update.py: any other key drops the whole message
    "installed_version": text, "latest_version": text, "title": text, "release_summary": text,
    "release_url": configuration_url, "entity_picture": configuration_url, "in_progress": flag,
    "update_percentage": lambda value: value is None or (isinstance(value, (int, float)) and 0 <= value <= 100),
}  # fmt: skip


def check_discovery_topic(name: str, *, prefix: str = "homeassistant") -> None:
    parts = name.removeprefix(f"{prefix}/").split("/")
    if len(parts) != 3 or parts[0] != "device" or parts[2] != "config" or not TOPIC_PART.fullmatch(parts[1]):
        raise DiscoveryError(f"{name} is no topic for the discovery of a device")


def check_device_discovery(payload: dict[str, Any]) -> None:
    """Refuse what Home Assistant would refuse, or take without using it."""
    _check("payload", payload, {"device", "origin", "components"}, ROOT)
    _check("device", payload["device"], set(), DEVICE)
    if not payload["device"].get("identifiers") and not payload["device"].get("connections"):
        raise DiscoveryError("device: neither identifiers nor connections")
    _check("origin", payload["origin"], {"name"}, ORIGIN)
    for key, component in payload["components"].items():
        check_component(key, component)


def check_component(key: str, component: dict[str, Any]) -> None:
    """One of them; with nothing but its platform it removes an entity."""
    if not TOPIC_PART.fullmatch(key):
        raise DiscoveryError(f"{key}: no object id")
    platform = component.get("platform")
    if platform not in PLATFORMS:
        raise DiscoveryError(f"{key}: no platform of MQTT: {platform}")
    settings = {name: value for name, value in component.items() if name != "platform"}
    if not settings:
        return
    required, known = PLATFORMS[platform]
    _check(key, settings, required | ({"unique_id"} if platform in ENTITY_PLATFORMS else set()), known)
    if platform == "sensor":
        _check_sensor(key, settings)


def check_update_state(payload: dict[str, Any]) -> None:
    """What the ``update`` entity's state topic may carry."""
    _check("update", payload, set(), UPDATE_STATE)


def _check_sensor(key: str, sensor: dict[str, Any]) -> None:
    """validate_sensor_state_and_device_class_config in sensor.py."""
    if "options" in sensor and (sensor.keys() & {"state_class", "unit_of_measurement"}):
        raise DiscoveryError(f"{key}: options beside a unit or a state class")
    if ("options" in sensor) != (sensor.get("device_class") == "enum"):
        raise DiscoveryError(f"{key}: options and device class enum go together")
    units = UNITS.get(str(sensor.get("device_class")))
    if units is not None and sensor.get("unit_of_measurement") not in units:
        raise DiscoveryError(f"{key}: {sensor.get('unit_of_measurement')} is no unit of {sensor['device_class']}")


def _check(where: str, value: dict[str, Any], required: set[str], known: dict[str, Check]) -> None:
    if missing := required - value.keys():
        raise DiscoveryError(f"{where}: {', '.join(sorted(missing))} missing")
    for key, item in value.items():
        if key not in known:
            raise DiscoveryError(f"{where}: unknown key {key}")
        if not known[key](item):
            raise DiscoveryError(f"{where}.{key}: {item!r}")
