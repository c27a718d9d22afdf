"""What a person reads."""

from __future__ import annotations

import dataclasses

import pytest

from agent.explain.story import Story, Traits, Turn
from agent.explain.text import MOST_TURNS, told
from tests.unit.agent_explain.stories import CALM, darkness


def test_a_drift_is_told_by_what_happened_what_changed_and_what_it_may_cost() -> None:
    said = told(darkness())

    assert said.splitlines()[:2] == [
        "digits on pi-1, from 2026-11-22T10:00:00Z",
        "critical drift: the largest effect was 0.62 (0 is the training data, 1 is nothing in common with it)",
    ]
    assert "now: requested; request 7f3a is open" in said
    assert "2 min 0 s  an alarm: something may have changed; mean (brightness of the picture), seen by e_bank" in said
    assert "    0.62  lower mean (brightness of the picture)\n    0.31  std (contrast)" in said
    assert "the alarm is driven by mean 70.0 %, class_3 20.0 %, std 10.0 %" in said
    assert "one of 5 frames counts as independent" in said
    assert "3  refused (frames that do not fit the model)" in said


def test_what_became_of_the_request_is_told_by_what_happened() -> None:
    turns = (
        Turn(frame=9, at_s=1, state="requested", sign="answered", note="request 7f3a closed: answered"),
        Turn(frame=20, at_s=2, state="ok", sign="committed"),
        Turn(frame=30, at_s=3, state="ok", sign="a_sign_of_tomorrow"),
    )

    said = told(dataclasses.replace(darkness(), turns=turns))

    assert "a bundle that answers the request is being installed; request 7f3a closed: answered" in said
    assert "another bundle was committed: the episode is over" in said
    assert "back to normal" in said


def test_an_estimate_is_never_told_as_a_fact() -> None:
    said = told(darkness())

    assert "accuracy perhaps 48.0 % at frame 2000 (90 % interval 42.0 % to 51.0 %); 94.0 % on the reference" in said
    assert "an estimate from confidence and signals, not a measurement" in said


def test_where_nothing_happened_one_line_says_so() -> None:
    assert told(CALM).splitlines() == [
        "digits on pi-1",
        "nothing drifted: no alarm, no verdict, no request",
    ]


def test_a_closed_request_is_not_told_as_open() -> None:
    assert "no request is open" in told(darkness(open_request=None))


def test_an_alarm_without_a_verdict_is_told() -> None:
    story = dataclasses.replace(darkness(), readings=(), asks=())

    assert "1 alarm, and no verdict yet" in told(story)


def test_without_estimate_and_labels_no_cost_is_told() -> None:
    bare = [dataclasses.replace(each, accuracy=None, true_accuracy=None) for each in darkness().readings]

    assert "may cost" not in told(dataclasses.replace(darkness(), readings=tuple(bare)))


def test_a_story_without_end_is_shortened_in_its_middle() -> None:
    turns = tuple(Turn(frame=i, at_s=i, state=("suspect", "ok")[i % 2]) for i in range(500))

    said = told(Story(title="t", source="s", turns=turns)).splitlines()

    assert len(said) < MOST_TURNS + 10
    assert f"  ({500 - MOST_TURNS} more)" in said


@pytest.mark.parametrize(
    ("traits", "expected"),
    [
        (Traits(on_arrival=True), "the device was never like its reference"),
        (Traits(known="night", is_benign=True), "it resembles night, which an operator called harmless"),
        (Traits(waits_for="cooldown"), "no model is asked for yet: the last request was not long ago"),
        (Traits(waits_for="a_reason_of_tomorrow"), "no model is asked for yet: a_reason_of_tomorrow"),
        (Traits(is_commissioned=False), "still commissioning: requests are held"),
        (Traits(), "no drift is confirmed: the largest effect was 0.62"),
    ],
)
def test_what_an_operator_has_to_know_is_said(traits: Traits, expected: str) -> None:
    assert expected in told(dataclasses.replace(darkness(), traits=traits))
