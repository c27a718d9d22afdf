"""What agent/README.md says of reports on a bad network is what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from agent.config import MqttConfig
from agent.delivery import COMMIT_S, SILENT_KEEPALIVES
from agent.outbox import KEPT_SHARE
from deploy.config import FleetConfig, load_config
from edge_models.wire.channels import DAY_S, MINUTE_S, channel_named

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "agent" / "README.md").read_text()
FLAT = " ".join(TEXT.split())
TLS_TEST = (ROOT / "tests" / "integration" / "agent" / "test_tls.py").read_text()
SOURCES = "".join((ROOT / "agent" / name).read_text() for name in ("tls_failure.py", "mqtt_link.py"))


def test_gaps_are_configured_with_the_defaults(tmp_path: Path) -> None:
    found = re.search(r"<!-- gaps -->\n```yaml\n(.*?)```", TEXT, re.DOTALL)
    assert found is not None
    path = tmp_path / "fleet.yaml"
    path.write_text(found[1])

    assert yaml.safe_load(found[1]).keys() == {"gaps"}
    assert load_config(path).gaps == FleetConfig().gaps


def test_bounds_are_as_written() -> None:
    expiry_s = {kind: channel_named(kind).expiry_s for kind in ("event", "stats", "sample", "reply/check")}

    assert expiry_s == {"event": 7 * DAY_S, "stats": 7 * DAY_S, "sample": DAY_S, "reply/check": 5 * MINUTE_S}
    assert (MqttConfig().outbox_bytes, KEPT_SHARE, COMMIT_S, SILENT_KEEPALIVES) == (8 << 20, 4, 2.0, 3)
    assert "for at most 7 days (samples one day, replies 5 minutes)" in FLAT
    assert "in a quarter of its room at most" in FLAT
    assert "committed every 2 seconds at most" in FLAT


@pytest.mark.parametrize(
    "words",
    [
        "is not signed by", "check mqtt.tls.ca", "is not for", "check mqtt.host", "has expired, by this device's clock",
        "is not valid yet, by this device's clock", "this device's certificate", "it may not trust who signed",
    ],
)  # fmt: skip
def test_words_of_the_table_are_those_of_the_log(words: str) -> None:
    table = TEXT.partition("<!-- tls -->")[2].partition("\n\n")[0]

    assert words in table
    assert words in SOURCES


def test_each_row_of_the_table_that_leaves_the_agent_running_has_a_test() -> None:
    rows = TEXT.partition("<!-- tls -->")[2].partition("\n\n")[0].count("\n|") - 2

    assert TLS_TEST.count("\ndef test_") == rows - 1  # the wrong CN is in test_mosquitto.py
