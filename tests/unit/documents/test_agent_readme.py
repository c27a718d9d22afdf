"""The examples of agent/README.md are sections that agent.yaml takes, with the defaults that the text says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agent.config import AdaptationConfig, DriftConfig, GatingConfig, load_config
from agent.core.request_table import DIAGRAM_BEGIN, DIAGRAM_END, diagram_section
from agent.worker.adaptation.delta_rule import DEFAULT_RATE, DEFAULT_REPLAYS
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


def test_the_diagram_of_drift_states_is_the_table() -> None:
    text = README.read_text()

    assert DIAGRAM_BEGIN + text.partition(DIAGRAM_BEGIN)[2].partition(DIAGRAM_END)[0] + DIAGRAM_END == diagram_section()


def test_how_far_back_feedback_reaches_is_as_written() -> None:
    assert (REMEMBERED_PREDICTIONS, REMEMBERED_BYTES) == (4096, 4 << 20)
    assert (
        "The last 4096 predictions can be answered, fewer where\nembeddings are large (4 MB in all)"
        in README.read_text()
    )
