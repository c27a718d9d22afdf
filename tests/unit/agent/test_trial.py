"""What a comparison of candidate and active model says about the candidate."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.config import ShadowConfig
from agent.core.judgement import Judgement
from agent.core.trial import LUCK, judge_shadow, worse_by_chance
from agent.ipc import ShadowVerdict

LIMITS = ShadowConfig(frames=200, deadline_s=60, min_agreement=0.7, min_labels=30, max_slowdown=3, max_memory_mb=100)
GOOD: dict[str, Any] = {
    "n": 200, "agree": 190, "nan": 0, "p95_us": 300.0, "active_p95_us": 250.0, "effect": 0.05, "active_effect": 0.06,
    "rss_kb": 50_000, "confidence": 0.9,
}  # fmt: skip


def judged(*, answers: bool = False, is_over: bool = False, limits: ShadowConfig = LIMITS, **figures: Any) -> Judgement:
    seen = ShadowVerdict(**{**GOOD, **figures})
    return judge_shadow(seen, limits, answers_request=answers, is_over=is_over)


def test_candidate_as_good_as_the_active_model_passes_and_its_figures_are_kept() -> None:
    found = judged()

    assert (found.verdict, found.code) == ("pass", "ok")
    assert found.evidence == {
        "n": 200, "agreement": 0.95, "not_finite": 0, "constant": 0, "effect": 0.05, "active_effect": 0.06,
        "p95_us": 300, "active_p95_us": 250, "confidence": 0.9, "labelled": 0, "rss_mb": 48.8281,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("figures", "code"),
    [
        ({"n": 3, "nan": 1}, "not_finite"),
        ({"n": 20, "constant": True}, "constant"),
        ({"n": 1, "rss_kb": 103_000}, "memory"),
    ],
)
def test_broken_candidate_is_not_looked_at_for_longer(figures: dict[str, Any], code: str) -> None:
    found = judged(answers=True, **figures)

    assert (found.verdict, found.code) == ("fault", code)


def test_too_few_frames_wait_until_the_deadline() -> None:
    assert judged(n=199).verdict == "wait"
    assert judged(n=199, is_over=True).verdict == "pass"


@pytest.mark.parametrize(("policy", "verdict"), [("proceed", "pass"), ("reject", "fault")])
def test_without_traffic_the_policy_decides(policy: Any, verdict: str) -> None:
    limits = ShadowConfig(frames=200, without_traffic=policy)

    found = judged(n=19, agree=0, effect=None, limits=limits, is_over=True)

    assert (found.verdict, found.code) == (verdict, "no_traffic")
    assert "19 frames" in found.message


def test_drift_that_is_not_small_must_be_below_that_of_the_active_model_when_it_answers_a_request() -> None:
    assert judged(answers=True, effect=0.39, active_effect=0.4).verdict == "pass"
    found = judged(answers=True, effect=0.4, active_effect=0.4)
    assert (found.verdict, found.code) == ("fault", "drifts")


def test_other_bundle_may_drift_as_the_active_model_does_and_not_more() -> None:
    assert judged(effect=0.4, active_effect=0.4).verdict == "pass"
    assert judged(effect=0.44, active_effect=0.4).verdict == "pass"  # two profiles that are estimates
    assert judged(effect=0.46, active_effect=0.4).code == "drifts"


def test_small_drift_is_none_whatever_the_active_model_has() -> None:
    assert judged(answers=True, effect=0.18, active_effect=0.01).verdict == "pass"  # luck of 200 frames
    assert judged(answers=True, n=100_000, agree=100_000, effect=0.18, active_effect=0.01).code == "drifts"


def test_candidate_without_a_profile_is_judged_by_the_rest() -> None:
    assert judged(effect=None).verdict == "pass"
    assert judged(effect=0.9, active_effect=None).verdict == "pass"


def test_slow_candidate_is_rejected_unless_it_is_fast_all_the_same() -> None:
    assert judged(p95_us=9_900.0, active_p95_us=100.0).verdict == "pass"
    assert judged(p95_us=29_000.0, active_p95_us=10_000.0).verdict == "pass"
    assert judged(p95_us=31_000.0, active_p95_us=10_000.0).code == "too_slow"


def test_a_few_frames_say_nothing_about_the_p95() -> None:
    few = ShadowConfig(frames=30)

    assert judged(n=59, agree=59, p95_us=1e6, limits=few).verdict == "pass"
    assert judged(n=60, agree=60, p95_us=1e6, limits=few).code == "too_slow"


def test_agreement_gates_only_what_answers_no_request_and_is_always_told() -> None:
    assert judged(agree=100).code == "disagrees"
    answer = judged(agree=100, answers=True)
    assert answer.verdict == "pass"
    assert answer.evidence["agreement"] == 0.5


def test_candidate_that_is_worse_on_labels_is_rejected_even_as_an_answer() -> None:
    found = judged(answers=True, agree=180, labelled=30, right=20, active_right=29)

    assert (found.verdict, found.code) == ("fault", "labels")
    assert found.evidence["right"] == 20


@pytest.mark.parametrize(("labelled", "right", "active"), [(29, 10, 29), (30, 27, 29), (30, 29, 10), (40, 30, 34)])
def test_too_few_labels_and_a_difference_of_luck_reject_nothing(labelled: int, right: int, active: int) -> None:
    assert judged(labelled=labelled, right=right, active_right=active).verdict == "pass"


def test_equally_good_candidate_is_called_worse_on_labels_in_one_of_a_hundred_at_most() -> None:
    rng = random.Random(7)
    trials, fooled = 2000, 0
    for _ in range(trials):
        pairs = [(rng.random() < 0.8, rng.random() < 0.8) for _ in range(100)]
        right, other = sum(ours for ours, _ in pairs), sum(theirs for _, theirs in pairs)
        discordant = sum(ours != theirs for ours, theirs in pairs)
        fooled += worse_by_chance(right, other, discordant) < LUCK

    assert fooled / trials <= LUCK


@settings(max_examples=100, deadline=None)
@given(
    right=st.integers(0, 3000), other=st.integers(0, 3000), discordant=st.integers(0, 3000), more=st.integers(0, 100)
)
def test_chance_is_one_and_falls_with_fewer_discordant_frames(
    right: int, other: int, discordant: int, more: int
) -> None:
    chance = worse_by_chance(right, other, discordant)

    assert 0.0 <= chance <= 1.0
    assert (
        chance <= worse_by_chance(right, other, discordant + 2 * more) + 1e-3
    )  # the tail of more than 1000 is rounded
