"""What speaks against a model while it is the active one."""

from __future__ import annotations

from typing import Any

import pytest

from agent.config import ProvisionalConfig, ShadowConfig, UpdateConfig
from agent.core.judgement import Judgement
from agent.core.records import GoodFigures
from agent.core.soak_checks import MIN_HEALTH_FRAMES, good_figures, judge_soak
from agent.ipc import ModelHealth
from tests.unit.agent.world import bundle

LIMITS = UpdateConfig(
    url="http://registry", root="root.json", shadow=ShadowConfig(max_memory_mb=100),
    provisional=ProvisionalConfig(max_slowdown=3, min_confidence_ratio=0.6),
)  # fmt: skip
BEFORE = GoodFigures(bundle=bundle("a"), p95_us=10_000.0, effect=0.3, confidence=0.9)
WELL: dict[str, Any] = {
    "n": 200, "p95_us": 12_000.0, "confidence": 0.85, "reference_confidence": 0.9, "effect": 0.05, "golden_ok": True,
}  # fmt: skip


def judged(before: GoodFigures | None = BEFORE, rss_kb: int = 50_000, **figures: Any) -> Judgement:
    return judge_soak(ModelHealth(**{**WELL, **figures}), rss_kb, LIMITS, before)


def test_model_that_is_well_passes_and_both_models_figures_are_kept() -> None:
    found = judged()

    assert found.verdict == "pass"
    assert found.evidence == {
        "n": 200, "golden_ok": 1, "not_finite": 0, "constant": 0, "rss_mb": 48.8281, "p95_us": 12_000,
        "confidence": 0.85, "reference_confidence": 0.9, "effect": 0.05, "good_p95_us": 10_000, "good_effect": 0.3,
        "good_confidence": 0.9,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("figures", "code"),
    [
        ({"golden_ok": False}, "golden"),
        ({"not_finite": 1}, "not_finite"),
        ({"constant": True}, "constant"),
        ({"rss_kb": 103_000}, "memory"),
        ({"p95_us": 31_000.0}, "too_slow"),
        ({"confidence": 0.5}, "confidence"),
        ({"effect": 0.36}, "drifts"),
    ],
)
def test_unwell_model_is_at_fault(figures: dict[str, Any], code: str) -> None:
    assert (judged(**figures).verdict, judged(**figures).code) == ("fault", code)


@pytest.mark.parametrize("figures", [{"p95_us": 31_000.0}, {"confidence": 0.5}, {"effect": 0.9}])
def test_figures_of_few_frames_say_nothing(figures: dict[str, Any]) -> None:
    assert judged(n=MIN_HEALTH_FRAMES - 1, **figures).verdict == "pass"


def test_what_is_broken_does_not_wait_for_frames() -> None:
    assert judged(n=1, not_finite=1).code == "not_finite"
    assert judge_soak(None, 103_000, LIMITS, None).code == "memory"


def test_hard_input_is_no_collapse_of_confidence() -> None:
    assert judged(confidence=0.4, before=GoodFigures(bundle=bundle("a"), confidence=0.35)).verdict == "pass"


def test_first_model_is_compared_with_nobody() -> None:
    assert judged(before=None, p95_us=1e6, effect=0.9).verdict == "pass"
    assert judged(before=None, confidence=0.4).code == "confidence"  # its own profile is there


def test_drift_within_luck_or_below_the_last_good_models_is_none() -> None:
    assert judged(effect=0.18, before=GoodFigures(bundle=bundle("a"), effect=0.0)).verdict == "pass"
    assert judged(effect=0.34).verdict == "pass"


def test_last_good_models_figures_are_remembered_once_they_rest_on_enough_frames() -> None:
    assert good_figures(bundle("a"), None) is None
    assert good_figures(bundle("a"), ModelHealth(n=MIN_HEALTH_FRAMES - 1)) is None
    known = good_figures(bundle("a"), ModelHealth(n=200, p95_us=float("nan"), effect=0.2, confidence=0.9))
    assert known == GoodFigures(bundle=bundle("a"), p95_us=None, effect=0.2, confidence=0.9)
