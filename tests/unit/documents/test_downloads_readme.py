"""What agent/README.md says of downloads is what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from agent.config import UpdateConfig, load_config
from agent.config.settings import LEAST_BLOCK_BYTES
from agent.update_client import pacing, status
from deploy.broker.mosquitto import acl
from edge_models.wire.files import BLOCK_BYTES, MAX_BLOCKS

README = Path(__file__).parents[3] / "agent" / "README.md"


def section() -> str:
    found = re.search(r"## Downloads: how a bundle comes\n(.*?)\n## ", README.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def test_example_is_a_section_that_the_configuration_takes(tmp_path: Path) -> None:
    example = re.search(r"<!-- downloads -->\n```yaml\n(.*?)```", README.read_text(), re.DOTALL)
    assert example is not None
    path = tmp_path / "agent.yaml"
    path.write_text("id: pi7-cam\nmodel: digits\nstate_dir: state\n" + example[1])

    assert load_config(path).update == UpdateConfig(
        url="http://fleet:8080",
        root=str(tmp_path / "root.json"),
        max_bytes_per_s=200_000,
        max_bytes_per_day=50_000_000,
        download_timeout_s=86_400,
    )


def test_figures_are_those_of_the_code() -> None:
    text = " ".join(section().split())

    assert "half a second" in text
    assert pacing.FIRST_WAIT_S == 0.5
    assert f"up to {pacing.LONGEST_WAIT_S:g} s, with jitter, six times" in text
    assert pacing.MAX_TRIES == 6
    assert "up to an hour" in text
    assert status.MAX_RETRY_AFTER_S == 3600
    assert f"blocks of {BLOCK_BYTES // 1024} KiB, four on their way" in text
    assert MAX_BLOCKS == 4
    assert f"has to be {LEAST_BLOCK_BYTES} at least" in text
    assert "user driftline-files" in acl()
