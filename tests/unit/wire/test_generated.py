"""The committed files are what the message classes say, and tell the truth about the contract."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

import edge_models.wire
from edge_models.wire.__main__ import main
from edge_models.wire.asyncapi import asyncapi_document, generated_files
from edge_models.wire.channels import CHANNELS
from edge_models.wire.yaml_text import yaml_text
from tests.unit.wire.payloads import json_scalars

FOLDER = Path(edge_models.wire.__file__).parent
AMBIGUOUS = [
    *("", "-", "~", "=", "<<", "1", "1.5", "1e3", "0x1f", "12:30:45", "2026-11-22", "yes", "No", "null", " a", "a "),
    *(
        "a: b",
        "a #b",
        "a:",
        "*a",
        "&a",
        "!a",
        "'a'",
        "a'b",
        "(a)",
        "$a",
        "a, b; c",
        "a\\b",
        "a\nb",
        "\t",
        "\x7f",
        "\x85",
    ),
]
DOCUMENT: Any = yaml.safe_load((FOLDER / "asyncapi.yaml").read_text(encoding="utf-8"))

# The table of the design, word for word: kind, way, QoS, retain, expiry in seconds.
DESIGN = """
status          up    1  yes  -
meta            up    1  yes  -
state           up    0  yes  90
stats           up    1  no   604800
drift           up    1  yes  -
event           up    1  no   604800
prediction      up    0  no   60
sample          up    1  no   86400
model/update    up    1  yes  -
model/state     up    1  yes  -
model/request   up    1  yes  -
desired         down  1  yes  -
file/get        up    0  no   60
file/block      down  0  no   60
feedback        down  1  no   86400
cmd/check       down  1  no   300
cmd/install     down  1  no   300
cmd/rollback    down  1  no   300
cmd/snapshot    down  1  no   300
cmd/rebaseline  down  1  no   300
cmd/dismiss     down  1  no   300
cmd/hold        down  1  no   300
cmd/undo        down  1  no   300
cmd/samples     down  1  no   300
cmd/resend      down  1  no   300
reply/check     up    1  no   300
reply/install   up    1  no   300
reply/rollback  up    1  no   300
reply/snapshot  up    1  no   300
reply/rebaseline up   1  no   300
reply/dismiss   up    1  no   300
reply/hold      up    1  no   300
reply/undo      up    1  no   300
reply/samples   up    1  no   300
reply/resend    up    1  no   300
group/desired   down  1  yes  -
discovery       up    1  yes  -
"""


def resolve(pointer: str) -> Any:
    target = DOCUMENT
    for part in pointer.removeprefix("#/").split("/"):
        target = target[part]
    return target


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if "$ref" in value else []
        return own + [ref for item in value.values() for ref in references(item)]
    if isinstance(value, list):
        return [ref for item in value for ref in references(item)]
    return []


@pytest.mark.parametrize(("path", "text"), generated_files().items(), ids=str)
def test_committed_file_equals_its_generator(path: Path, text: str) -> None:
    assert (FOLDER / path).read_text(encoding="utf-8") == text, "run: python -m edge_models.wire"


def test_no_other_schema_is_committed() -> None:
    committed = {path.relative_to(FOLDER).as_posix() for path in FOLDER.glob("schemas/*")}

    assert committed == {str(path) for path in generated_files() if path.suffix == ".json"}


def test_yaml_reads_back_as_the_document() -> None:
    assert asyncapi_document() == DOCUMENT


def test_registry_holds_the_table_of_the_design() -> None:
    rows = {
        f"{row.name} {row.direction} {row.qos} {'yes' if row.retain else 'no'} {row.expiry_s or '-'}"
        for row in CHANNELS
    }

    assert rows == {" ".join(line.split()) for line in DESIGN.strip().splitlines()}


def test_every_reference_leads_somewhere() -> None:
    for reference in references(DOCUMENT):
        if reference.startswith("#/"):
            assert resolve(reference)
        else:
            schema = json.loads((FOLDER / reference).read_text(encoding="utf-8"))
            Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("row", CHANNELS, ids=lambda row: row.name)
def test_operation_carries_the_mqtt_settings_of_its_row(row: Any) -> None:
    (operation,) = [
        item for item in DOCUMENT["operations"].values() if resolve(item["channel"]["$ref"])["address"] == row.template
    ]

    mqtt = operation["bindings"]["mqtt"]
    assert (mqtt["qos"], mqtt["retain"], mqtt.get("messageExpiryInterval")) == (row.qos, row.retain, row.expiry_s)
    assert operation["action"] == ("send" if row.direction == "up" else "receive")


def test_parameters_are_those_of_the_address() -> None:
    for channel in DOCUMENT["channels"].values():
        assert all("{" + name + "}" in channel["address"] for name in channel["parameters"])
        assert channel["address"].count("{") == len(channel["parameters"])


def test_last_will_says_offline_on_the_status_topic() -> None:
    will = DOCUMENT["servers"]["broker"]["bindings"]["mqtt"]["lastWill"]

    assert will == {"topic": "{base}/{id}/status", "qos": 1, "message": "offline", "retain": True}


def test_command_answers_on_its_reply_topic() -> None:
    reply = resolve(DOCUMENT["operations"]["receive_cmd_check"]["reply"]["channel"]["$ref"])

    assert reply["address"] == "{base}/{id}/reply/check"


def test_check_finds_a_stale_file_and_writing_mends_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--directory", str(tmp_path)]) == 0
    (tmp_path / "schemas" / "meta.json").write_text("{}")
    (tmp_path / "schemas" / "gone.json").write_text("{}")
    capsys.readouterr()

    assert main(["--directory", str(tmp_path), "--check"]) == 1
    assert "differs" in capsys.readouterr().out
    assert main(["--directory", str(tmp_path)]) == 0
    assert main(["--directory", str(tmp_path), "--check"]) == 0
    assert not (tmp_path / "schemas" / "gone.json").exists()


@given(
    st.recursive(
        json_scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=12,
    )
)
def test_yaml_text_reads_back_equal(value: Any) -> None:
    assert yaml.safe_load(yaml_text(value)) == value


@pytest.mark.parametrize("word", AMBIGUOUS)
def test_yaml_text_keeps_words_that_yaml_would_read_as_something_else(word: str) -> None:
    assert yaml.safe_load(yaml_text({word: [word, {word: word}]})) == {word: [word, {word: word}]}
