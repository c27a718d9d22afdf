"""``driftline-agent explain``: from episode.json to what a person reads."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import pytest

from agent.core.episode_record import EPISODE_FILE, EpisodePoint, EpisodeRecord, EpisodeStep
from agent.errors import AgentError
from agent.explain import command
from agent.explain.errors import ExplainError
from agent.explain.record import story_of
from agent.explain.text import told
from edge_models.fields import canonical_json
from edge_models.wire.telemetry import DriftLevel, DriftState
from edge_models.wire.values import timestamp

BEGAN_S = 1_795_336_200.0


def point(minute: int, effect: float, *, boot: int = 1, dated: bool = True) -> EpisodePoint:
    return EpisodePoint(
        position=60 * minute,
        boot=boot,
        ts=timestamp(BEGAN_S + 60 * minute) if dated else None,
        up=100.0 + 60 * minute,
        state=DriftState.REQUESTED,
        n_effective=200,
        effect=effect,
        limit=0.19,
        signal="mean",
        context="reference",
        accuracy=0.7,
        accuracy_low=0.6,
        accuracy_high=0.8,
    )


def step(minute: int, state: DriftState, *, boot: int = 1, dated: bool = True) -> EpisodeStep:
    return EpisodeStep(
        sign="alarm",
        state=state,
        position=60 * minute,
        boot=boot,
        ts=timestamp(BEGAN_S + 60 * minute) if dated else None,
        up=100.0 + 60 * minute,
        signal="mean",
        detector="e_bank",
    )


RECORD = EpisodeRecord(
    device="pi-1",
    model="digits",
    bundle=None,
    artifact="tflite-int8",
    state=DriftState.REQUESTED,
    level=DriftLevel.CRITICAL,
    detector="e_bank",
    changed_at=110,
    effects={"mean": 0.62, "std": 0.2},
    attribution={"mean": 0.8, "std": 0.2},
    request="7f3a",
    steps=(step(2, DriftState.SUSPECT), step(9, DriftState.REQUESTED)),
    points=(point(3, 0.5), point(6, 0.62), point(9, 0.61)),
)


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    (tmp_path / "boot").write_text("3\n")
    (tmp_path / EPISODE_FILE).write_bytes(canonical_json(RECORD))
    return tmp_path


def explain(*words: str | Path) -> str:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([str(word) for word in words]))


def test_the_episode_of_a_state_directory_is_told(state_dir: Path) -> None:
    said = explain(state_dir)

    assert said.startswith("digits on pi-1, from 2026-11-22T08:32:00.000Z\ncritical drift: the largest effect was 0.62")
    assert "it began about frame 110" in said
    assert "7 min 0 s  a better model was asked for" in said
    assert "request 7f3a is open" in said


def test_agent_yaml_leads_to_the_same_episode_as_its_state_directory_and_the_file(state_dir: Path) -> None:
    config = state_dir / "agent.yaml"
    config.write_text(f"id: pi-1\nmodel: digits\nstate_dir: {state_dir}\n")

    assert explain(config) == explain("-c", config) == explain(state_dir) == explain(state_dir / EPISODE_FILE)


def test_the_document_is_the_record(state_dir: Path) -> None:
    document = json.loads(explain(state_dir, "--json"))

    assert document["effects"] == {"mean": 0.62, "std": 0.2}
    assert [each["state"] for each in document["steps"]] == ["suspect", "requested"]


def test_a_picture_is_drawn_beside_the_text(state_dir: Path) -> None:
    pytest.importorskip("matplotlib")

    said = explain(state_dir, "--plot", state_dir / "drift.png")

    assert said == explain(state_dir)
    assert (state_dir / "drift.png").read_bytes().startswith(b"\x89PNG")


def test_a_device_without_an_episode_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "boot").write_text("3\n")

    assert "no episode of drift yet" in explain(tmp_path)
    assert explain(tmp_path, "--json") == "null"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"{}", "state"),
        (b"\xff\x00", r"episode\.json"),
        (b"[" * 100_000, "expected the episode.json of an agent of this version"),
    ],
)
def test_a_damaged_file_is_one_line_and_stays_as_it_is(state_dir: Path, content: bytes, expected: str) -> None:
    (state_dir / EPISODE_FILE).write_bytes(content)

    with pytest.raises(ExplainError, match=expected) as raised:
        explain(state_dir)

    assert "\n" not in str(raised.value)
    assert (state_dir / EPISODE_FILE).read_bytes() == content


def test_a_place_where_no_agent_has_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExplainError, match="found no state of an agent"):
        explain(tmp_path)
    with pytest.raises(ExplainError, match="found nothing there"):
        explain(tmp_path / "agent.yaml")


def test_two_places_are_one_too_many(state_dir: Path) -> None:
    with pytest.raises(AgentError, match="expected one of them"):
        explain(state_dir, "-c", state_dir / "agent.yaml")


def test_without_a_calendar_times_go_on_through_restarts() -> None:
    steps = (step(2, DriftState.SUSPECT, dated=False), step(1, DriftState.REQUESTED, boot=2, dated=False))
    points = (point(4, 0.5, dated=False), point(3, 0.5, boot=2, dated=False))

    story = story_of(replace(RECORD, steps=steps, points=points), "here")

    assert [turn.at_s for turn in story.turns] == [0, 120]
    assert [each.at_s for each in story.readings] == [120, 240]
    assert not story.has_frames
    assert story.began == ""


def test_a_closed_request_is_no_longer_open() -> None:
    story = story_of(replace(RECORD, state=DriftState.RECOVERED), "here")

    assert story.open_request is None
    assert [ask.id for ask in story.asks] == ["7f3a"]


def test_a_drift_of_the_classes_alone_is_among_the_effects() -> None:
    points = (replace(point(3, 0.31), signal="predicted_class"),)

    story = story_of(replace(RECORD, points=points, effects={"mean": 0.08}), "here")

    assert story.traits.effects == {"predicted_class": 0.31, "mean": 0.08}
    assert "0.31  predicted_class (how often each class is predicted)" in told(story)
