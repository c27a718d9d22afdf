"""The AsyncAPI 3.0 document of the contract, from the registry of channels, as a plain value.

It is written from the agent's side: what goes up is sent, what comes down is received. Message schemas are files beside
it; ``python -m edge_models.wire`` writes them all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePosixPath

from edge_models.fields import JsonValue
from edge_models.wire.channels import CHANNELS, MAX_PACKET_BYTES, WILL_DELAY_S, Direction, MessageChannel, channel_named
from edge_models.wire.schema import first_paragraph, message_schema, schema_file
from edge_models.wire.telemetry import Status
from edge_models.wire.topics import BASE, DISCOVERY_PREFIX
from edge_models.wire.values import DEVICE_ID, VERSION
from edge_models.wire.yaml_text import yaml_text

BINDING_VERSION = "0.2.0"  # of AsyncAPI's MQTT binding
SCHEMA_FORMAT = "application/schema+json;version=2020-12"
DOCUMENT_NAME = "asyncapi.yaml"
SCHEMA_DIRECTORY = "schemas"

_HEADER = "# Generated from edge_models/wire by: python -m edge_models.wire\n"
_DESCRIPTION = (
    "How Driftline's devices and fleet side talk. Payloads are UTF-8 JSON, units are in the names. Readers ignore "
    "unknown fields and refuse a message that lacks a required one. ts is RFC 3339 UTC, or null while the sender's "
    f"clock is not synchronised. The last will is sent after a will delay of {WILL_DELAY_S} s (MQTT 5). An empty "
    "payload clears a retained topic."
)
_PARAMETERS: dict[str, JsonValue] = {
    "base": {"description": "First levels of all topics; a breaking change takes a new one.", "default": BASE},
    "id": {"description": f"The device: {DEVICE_ID}, not group or all; also its certificate's CN and client id."},
    "group": {"description": f"A group of devices: {DEVICE_ID}."},
    "prefix": {"description": "Home Assistant's discovery prefix.", "default": DISCOVERY_PREFIX},
}


def generated_files() -> dict[PurePosixPath, str]:
    """Text of every generated file by its path below ``edge_models/wire``."""
    files = {PurePosixPath(DOCUMENT_NAME): _HEADER + yaml_text(asyncapi_document())}
    for kind in message_kinds():
        text = json.dumps(message_schema(kind), indent=2, ensure_ascii=False, allow_nan=False)
        files[PurePosixPath(SCHEMA_DIRECTORY, schema_file(kind))] = f"{text}\n"
    return files


def message_kinds() -> tuple[type, ...]:
    """The classes of all messages, each once, in the order of the registry."""
    return tuple(dict.fromkeys(channel.message for channel in CHANNELS if channel.message is not None))


def asyncapi_document() -> dict[str, JsonValue]:
    """The whole document."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Driftline",
            "version": f"{VERSION}.0.0",
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"broker": _server()},
        "channels": {_key(channel): _channel(channel) for channel in CHANNELS},
        "operations": {_operation_key(channel): _operation(channel) for channel in CHANNELS},
        "components": {
            "messages": {_message_name(channel): _message(channel) for channel in CHANNELS},
            "parameters": dict(_PARAMETERS),
        },
    }


def _server() -> JsonValue:
    status = channel_named("status")
    return {
        "host": "localhost:1883",
        "protocol": "mqtt",
        "protocolVersion": "5",
        "description": "Any MQTT 5 or 3.1.1 broker. TLS with a certificate for each device in production.",
        "bindings": {
            "mqtt": {
                "lastWill": {
                    "topic": status.template,
                    "qos": status.qos,
                    "message": Status.OFFLINE.value,
                    "retain": status.retain,
                },
                "maximumPacketSize": MAX_PACKET_BYTES,
                "bindingVersion": BINDING_VERSION,
            }
        },
    }


def _channel(channel: MessageChannel) -> JsonValue:
    message = _message_name(channel)
    return {
        "address": channel.template,
        "description": channel.doc,
        "messages": {message: {"$ref": f"#/components/messages/{message}"}},
        "parameters": {
            name: {"$ref": f"#/components/parameters/{name}"}
            for name in _PARAMETERS
            if "{" + name + "}" in channel.template
        },
    }


def _operation(channel: MessageChannel) -> JsonValue:
    mqtt: dict[str, JsonValue] = {"qos": channel.qos, "retain": channel.retain}
    if channel.expiry_s is not None:
        mqtt["messageExpiryInterval"] = channel.expiry_s
    operation: dict[str, JsonValue] = {
        "action": "send" if channel.direction is Direction.UP else "receive",
        "summary": channel.doc,
        "channel": {"$ref": f"#/channels/{_key(channel)}"},
        "messages": [{"$ref": f"#/channels/{_key(channel)}/messages/{_message_name(channel)}"}],
        "bindings": {"mqtt": {**mqtt, "bindingVersion": BINDING_VERSION}},
    }
    if channel.name.startswith("cmd/"):
        reply = channel_named(channel.name.replace("cmd/", "reply/"))
        operation["reply"] = {"channel": {"$ref": f"#/channels/{_key(reply)}"}}
    return operation


def _message(channel: MessageChannel) -> JsonValue:
    name = _message_name(channel)
    limit: Mapping[str, JsonValue] = {"x-max-bytes": channel.max_bytes}
    if channel.message is not None:
        schema: JsonValue = {"$ref": f"./{SCHEMA_DIRECTORY}/{schema_file(channel.message)}"}
        payload: JsonValue = {"schemaFormat": SCHEMA_FORMAT, "schema": schema}
        return {"name": name, "summary": first_paragraph(channel.message), "payload": payload, **limit}
    if channel.name == "status":
        words: JsonValue = [status.value for status in Status]
        plain: JsonValue = {"type": "string", "enum": words}
        return {"name": name, "contentType": "text/plain", "payload": plain, **limit}
    return {"name": name, "summary": channel.doc, "payload": {"type": "object"}, **limit}


def _message_name(channel: MessageChannel) -> str:
    return channel.message.__name__ if channel.message is not None else channel.name.capitalize()


def _key(channel: MessageChannel) -> str:
    return channel.name.replace("/", "_")


def _operation_key(channel: MessageChannel) -> str:
    return f"{'send' if channel.direction is Direction.UP else 'receive'}_{_key(channel)}"
