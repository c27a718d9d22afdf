"""A model's health over its last frames, and the golden inputs while it works."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.ipc import ModelHealth
from agent.worker.comparison import MANY_UNLIKE
from agent.worker.model_health import (
    BLOCK,
    FIRST,
    GOLDEN_PAUSE_S,
    GOLDEN_PERIOD_S,
    LAST_BLOCKS,
    Golden,
    Health,
    open_health,
)
from agent.worker.opened_model import OpenedModel, open_model
from agent.worker.pipeline import PipelineResult, StageTimes
from edge_models.profile import Profile
from tests.factories.bundles import INT8, make_bundle
from tests.unit.agent_worker.test_trial import OUTPUTS, drawn, result


@pytest.fixture(scope="module")
def profile(model: OpenedModel) -> Profile:
    assert model.profile is not None
    return model.profile


def over(health: Health, rows: NDArray[np.float64]) -> ModelHealth | None:
    for i, row in enumerate(rows):
        health.add(result(row, predicted=i % 10))
    return health.figures(None)


def test_nothing_is_told_of_a_few_frames(profile: Profile) -> None:
    health = Health(profile, outputs=OUTPUTS)

    assert over(health, drawn(profile, FIRST - 1)) is None
    assert over(health, drawn(profile, 1)) is not None


def test_frames_as_they_should_be_are_near_their_profile(profile: Profile) -> None:
    told = over(Health(profile, outputs=OUTPUTS), drawn(profile, 512))

    assert told is not None
    assert told.n == 512
    assert not told.constant
    assert told.effect is not None
    assert told.effect < 0.15
    assert told.p95_us == 10.0
    assert told.confidence == pytest.approx(0.9)
    assert told.reference_confidence == pytest.approx(float(profile.mean[profile.signals.index("confidence")]))


def test_what_was_long_ago_is_forgotten(profile: Profile) -> None:
    health = Health(profile, outputs=OUTPUTS)
    far = over(health, drawn(profile, BLOCK, shift_sd=3.0))
    near = over(health, drawn(profile, BLOCK * (LAST_BLOCKS + 1)))

    assert far is not None
    assert near is not None
    assert (far.effect or 0.0) > 0.5
    assert (near.effect or 1.0) < 0.15
    assert near.n <= BLOCK * LAST_BLOCKS


def test_a_number_that_is_none_is_told_at_once_and_a_frame_that_does_not_fit_is_not(profile: Profile) -> None:
    health = Health(profile, outputs=OUTPUTS)
    health.add(PipelineResult(refused="frame has another shape"))
    assert health.figures(None) is None

    health.add(PipelineResult(refused="no finite number", times=StageTimes(infer_us=5.0, cpu_us=5.0)))

    assert health.figures(None) == ModelHealth(n=2, not_finite=1)


def test_one_answer_to_unlike_frames_is_told(profile: Profile) -> None:
    rows = drawn(profile, 4 * MANY_UNLIKE)
    rows[:, -OUTPUTS:] = rows[0, -OUTPUTS:]
    health = Health(profile, outputs=OUTPUTS)
    for row in rows:
        health.add(result(row, predicted=3))

    told = health.figures(None)

    assert told is not None
    assert told.constant


def test_a_model_without_a_profile_has_no_effect(profile: Profile) -> None:
    told = over(Health(None, outputs=OUTPUTS), drawn(profile, 100))

    assert told is not None
    assert told.effect is None
    assert told.reference_confidence is None


class TestGolden:
    """Golden inputs, one at a time."""

    @pytest.fixture
    def golden(self, model: OpenedModel) -> Golden:
        return open_health(model, is_exact=True)[1]

    def whole_round(self, golden: Golden, from_s: float) -> Iterator[float]:
        for i in range(16):
            yield from_s + i * GOLDEN_PAUSE_S
            golden.step(from_s + i * GOLDEN_PAUSE_S)

    def test_a_whole_round_says_whether_the_model_is_still_the_same(self, golden: Golden) -> None:
        said = [golden.ok for _ in self.whole_round(golden, 10.0)]

        assert set(said) == {None}
        assert golden.ok

    def test_not_more_than_one_at_a_time_runs(self, golden: Golden) -> None:
        golden.step(10.0)
        due_s = golden.due_s
        golden.step(10.0 + GOLDEN_PAUSE_S / 2)

        assert golden.due_s == due_s == 10.0 + GOLDEN_PAUSE_S

    def test_the_next_round_comes_later(self, golden: Golden) -> None:
        last_s = list(self.whole_round(golden, 10.0))[-1]

        assert golden.due_s == last_s + GOLDEN_PERIOD_S

    def test_other_answers_are_told(self, tmp_path: Path) -> None:
        make_bundle(tmp_path / "bundle", golden_is_wrong=True)
        model = open_model(tmp_path / "bundle", INT8)
        golden = open_health(model, is_exact=True)[1]

        list(self.whole_round(golden, 0.0))
        model.engine.close()

        assert golden.ok is False

    def test_an_engine_that_is_not_exact_is_not_asked(self, model: OpenedModel) -> None:
        golden = open_health(model, is_exact=False)[1]
        list(self.whole_round(golden, 0.0))
        golden.proven(0.0)

        assert golden.ok is None

    def test_what_a_standby_has_proven_is_told_at_once(self, model: OpenedModel) -> None:
        health, golden = open_health(model, is_exact=True)
        golden.proven(5.0)

        assert golden.due_s == 5.0 + GOLDEN_PERIOD_S
        assert health.figures(golden.ok) == ModelHealth(n=0, golden_ok=True)
