"""The examples of agent/README.md are sections that agent.yaml takes, with the defaults that the text says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agent.config import AdaptationConfig, DriftConfig, GatingConfig, LocalConfig, SinkConfig, load_config
from agent.core.request_table import DIAGRAM_BEGIN, DIAGRAM_END, diagram_section
from agent.local.arguments import COMMANDS
from agent.local.listener import MODE, MOST_CLIENTS, PATIENCE_S, PRIVATE_MODE
from agent.local.messages import MAX_REQUEST_BYTES
from agent.sink import MAX_WAITING_BYTES
from agent.supervisor import DISCOVERY_JITTER_S
from agent.worker.adaptation.delta_rule import DEFAULT_RATE, DEFAULT_REPLAYS
from agent.worker.sources.mqtt_frames import QUEUE_FRAMES
from agent.worker.sources.restarting import FIRST_S, JITTER, LONGEST_S
from agent.worker.sources.sound import WAITING_WINDOWS
from agent.worker.stream import REMEMBERED_BYTES, REMEMBERED_PREDICTIONS

README = Path(__file__).parents[3] / "agent" / "README.md"


def example(name: str) -> str:
    found = re.search(rf"<!-- {name} -->\n```yaml\n(.*?)```", README.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("name", ["gating", "drift", "adaptation"])
def test_an_example_is_a_section_with_the_defaults(tmp_path: Path, name: str) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text("id: pi7-cam\nmodel: digits\nstate_dir: state\n" + example(name))

    config = load_config(path)

    learner: dict[str, object] = {"name": "delta_rule", "rate": DEFAULT_RATE, "replays": DEFAULT_REPLAYS}
    expected = {
        "gating": GatingConfig(threshold=12),
        "drift": DriftConfig(),
        "adaptation": AdaptationConfig(learner=learner),
    }
    assert getattr(config, name) == expected[name]


def test_each_source_is_one_that_the_configuration_takes(tmp_path: Path) -> None:
    path = tmp_path / "agent.yaml"
    lines = [line.removeprefix("- ") for line in example("sources").splitlines()]
    kinds = set()
    for line in lines:
        path.write_text(f"id: pi7-cam\nmodel: digits\nstate_dir: state\nsource: {line}\n")
        source = load_config(path).source
        assert source is not None
        kinds.add(source.type)

    assert kinds == {"camera", "microphone", "folder", "csv", "mqtt", "replay"}


def test_the_sink_is_shown_with_its_defaults(tmp_path: Path) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text("id: pi7-cam\nmodel: digits\nstate_dir: state\n" + example("sink"))

    assert load_config(path).sink == SinkConfig(path=str(tmp_path / "predictions.jsonl"))


def test_what_sources_sinks_and_home_assistant_may_lose_is_as_written() -> None:
    text = README.read_text()

    assert (WAITING_WINDOWS, QUEUE_FRAMES, MAX_WAITING_BYTES) == (8, 64, 256 * 1024)
    assert "windows beyond the eight that may wait" in text
    assert "frames beyond the 64 that may wait" in text
    assert "the newest 256 KB wait in\nmemory" in text
    assert (FIRST_S, LONGEST_S, JITTER, DISCOVERY_JITTER_S) == (1.0, 60.0, 0.25, 3.0)


def test_the_diagram_of_drift_states_is_the_table() -> None:
    text = README.read_text()

    assert DIAGRAM_BEGIN + text.partition(DIAGRAM_BEGIN)[2].partition(DIAGRAM_END)[0] + DIAGRAM_END == diagram_section()


def test_how_far_back_feedback_reaches_is_as_written() -> None:
    assert (REMEMBERED_PREDICTIONS, REMEMBERED_BYTES) == (4096, 4 << 20)
    assert (
        "The last 4096 predictions can be answered, fewer where\nembeddings are large (4 MB in all)"
        in README.read_text()
    )


def test_the_local_socket_is_shown_as_it_is_configured(tmp_path: Path) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text("id: pi7-cam\nmodel: digits\nstate_dir: state\n" + example("local"))

    assert load_config(path).local == LocalConfig(path="/run/driftline/pi7-cam/agent.sock", group="driftline")


def test_bounds_and_commands_of_the_local_socket_are_those_of_the_code() -> None:
    text = README.read_text()

    assert f"within\n{PATIENCE_S:.0f} seconds and {MAX_REQUEST_BYTES // 1024} KB" in text
    assert MOST_CLIENTS == 8  # "the ninth"
    assert set(re.findall(r"\| `driftline-agent ([a-z-]+)", text)) == set(COMMANDS)
    assert (MODE, PRIVATE_MODE) == (0o660, 0o600)
