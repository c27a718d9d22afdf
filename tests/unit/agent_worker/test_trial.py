"""What a candidate's figures say beside the active model's."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.ipc import Feedback, FrameIn, ShadowVerdict
from agent.worker.comparison import MANY_UNLIKE, Constancy, Distance, Latencies
from agent.worker.opened_model import OpenedModel
from agent.worker.pipeline import PipelineResult, StageTimes
from agent.worker.trial import Shadowed, Trial
from edge_models.profile import Profile

OUTPUTS = 3


@pytest.fixture(scope="module")
def profile(model: OpenedModel) -> Profile:
    assert model.profile is not None
    return model.profile


def drawn(profile: Profile, n: int, *, seed: int = 1, shift_sd: float = 0.0) -> NDArray[np.float64]:
    """Signals (n, k) whose every column is drawn from the reference, and then shifted."""
    rng = np.random.default_rng(seed)
    edges = profile.edges.astype(np.float64)
    u = rng.uniform(0, edges.shape[1] - 1.001, (n, len(edges)))
    low = u.astype(int)
    rows = np.arange(len(edges))
    values = edges[rows, low] + (u - low) * (edges[rows, low + 1] - edges[rows, low])
    return np.asarray(values + shift_sd * profile.std.astype(np.float64))


def result(signals: NDArray[np.float64] | None, predicted: int | None = 3, us: float = 10.0) -> PipelineResult:
    refused = None if signals is not None else "the model's answer is no finite number"
    return PipelineResult(
        predicted=predicted, confidence=0.9, signals=signals, times=StageTimes(infer_us=us, cpu_us=us), refused=refused
    )


def frame(seq: int, label: int | None = 3, effect: float | None = None, p95_us: float | None = None) -> FrameIn:
    return FrameIn(origin="shadow", seq=seq, label_of_active=label, effect_of_active=effect, p95_us_of_active=p95_us)


def trial(profile: Profile | None) -> Trial:
    return Trial(profile, outputs=OUTPUTS, boot=4)


def told(on_trial: Trial, signals: NDArray[np.float64]) -> ShadowVerdict:
    for seq, row in enumerate(signals):
        on_trial.add(frame(seq), result(row))
    return on_trial.verdict()


class TestDistance:
    """Drift as one number."""

    def test_frames_of_the_reference_are_near_and_shifted_ones_far(self, profile: Profile) -> None:
        near, far = Distance(profile), Distance(profile)
        for row in drawn(profile, 400):
            near.add(row)
        for row in drawn(profile, 400, shift_sd=2.0):
            far.add(row)

        assert (near.value() or 1.0) < 0.15
        assert (far.value() or 0.0) > 0.5

    def test_none_without_frames(self, profile: Profile) -> None:
        assert Distance(profile).value() is None

    def test_it_is_measured_anew_only_after_so_many_frames(self, profile: Profile) -> None:
        distance = Distance(profile)
        rows = drawn(profile, 17)
        distance.add(rows[0])
        first = distance.value(every=16)
        for row in rows[1:16]:
            distance.add(row)
        assert distance.value(every=16) == first

        distance.add(rows[16])

        assert distance.value(every=16) != first

    def test_blocks_together_are_as_far_as_their_frames(self, profile: Profile) -> None:
        rows = drawn(profile, 300, shift_sd=0.5)
        whole, together = Distance(profile), Distance(profile)
        for row in rows:
            whole.add(row)
        for part in (rows[:100], rows[100:]):
            block = Distance(profile)
            for row in part:
                block.add(row)
            together.take_over(block)

        assert together.value() == whole.value()
        assert together.n == 300


class TestConstancy:
    """One output to all."""

    def test_unlike_frames_with_one_output_are_found(self, profile: Profile) -> None:
        rows = drawn(profile, 4 * MANY_UNLIKE)
        rows[:, -OUTPUTS:] = rows[0, -OUTPUTS:]
        constancy = Constancy(OUTPUTS, profile)
        for row in rows:
            constancy.add(row, 3)

        assert constancy.is_constant
        assert constancy.changes == 0

    def test_a_calm_scene_is_no_constant_model(self, profile: Profile) -> None:
        row = drawn(profile, 1)[0]
        constancy = Constancy(OUTPUTS, profile)
        for _ in range(1000):
            constancy.add(row, 3)

        assert not constancy.is_constant

    def test_another_answer_ends_it(self, profile: Profile) -> None:
        rows = drawn(profile, 4 * MANY_UNLIKE)
        rows[:, -OUTPUTS:] = rows[0, -OUTPUTS:]
        constancy = Constancy(OUTPUTS, profile)
        for i, row in enumerate(rows):
            constancy.add(row, 3 + (i == len(rows) - 1))

        assert not constancy.is_constant
        assert constancy.changes == 1

    def test_an_output_that_the_reference_is_full_of_is_no_fault(self, profile: Profile) -> None:
        rows = drawn(profile, 4 * MANY_UNLIKE)
        rows[:, -OUTPUTS:] = rows[0, -OUTPUTS:]
        constancy = Constancy(OUTPUTS, _tied(profile, rows[0]))
        for row in rows:
            constancy.add(row, 3)

        assert not constancy.is_constant

    @pytest.mark.parametrize(("jump", "found"), [(0.0, False), (1.0, True)])
    def test_without_a_profile_inputs_tell_by_their_size(self, jump: float, found: bool) -> None:
        constancy = Constancy(1, None)
        for i in range(2 * MANY_UNLIKE):
            constancy.add(np.array([1.0 + jump * (i % 2), 0.5]), 3)

        assert constancy.is_constant is found

    def test_a_model_whose_output_tells_nothing_is_never_constant(self, profile: Profile) -> None:
        constancy = Constancy(0, profile)
        for row in drawn(profile, 2 * MANY_UNLIKE):
            constancy.add(row, None)

        assert not constancy.is_constant


def _tied(profile: Profile, row: NDArray[np.float64]) -> Profile:
    """The profile of a saturated model: a third of the reference has the outputs of ``row``."""
    bins = profile.bins(row)
    contexts = []
    for context in profile.contexts:
        histogram = context.histogram.copy()
        for j in range(len(bins) - OUTPUTS, len(bins)):
            histogram[j] = histogram[j] * 2 // 3
            histogram[j, bins[j]] += context.n - histogram[j].sum()
        contexts.append(dataclasses.replace(context, histogram=histogram))
    return dataclasses.replace(profile, contexts=tuple(contexts))


def test_percentile_is_that_of_the_last_frames() -> None:
    times = Latencies(100)
    assert times.p95_us() is None
    for us in [1000.0] * 50 + [float(us) for us in range(1, 101)]:
        times.add(us)

    assert times.p95_us() == pytest.approx(95.05)


def test_verdict_counts_frames_agreement_and_what_is_no_number(profile: Profile) -> None:
    on_trial = trial(profile)
    row = drawn(profile, 1)[0]
    on_trial.add(frame(1, label=3), result(row))
    on_trial.add(frame(2, label=4), result(row))
    on_trial.add(frame(3), result(None))

    verdict = on_trial.verdict()

    assert (verdict.n, verdict.agree, verdict.nan) == (3, 1, 1)
    assert verdict.confidence == pytest.approx(0.9)
    assert verdict.rss_kb > 10_000


def test_both_effects_are_over_the_same_frames(profile: Profile) -> None:
    shadowed, on_trial = Shadowed(profile), trial(profile)
    for seq, row in enumerate(drawn(profile, 160, shift_sd=2.0)):
        shadowed.add(result(row, us=500.0))
        on_trial.add(frame(seq, effect=shadowed.effect, p95_us=shadowed.p95_us), result(row))

    verdict = on_trial.verdict()

    assert verdict.effect is not None
    assert verdict.effect > 0.5
    assert verdict.active_effect == pytest.approx(verdict.effect, abs=0.05)
    assert (verdict.p95_us, verdict.active_p95_us) == (10.0, 500.0)


def test_without_a_profile_there_is_no_effect(profile: Profile) -> None:
    verdict = told(trial(None), drawn(profile, 20))

    assert verdict.effect is None
    assert Shadowed(None).effect is None


def test_true_labels_count_once_for_both_models(profile: Profile) -> None:
    on_trial = trial(profile)
    for seq, (mine, active) in enumerate([(3, 3), (3, 5), (5, 3), (5, 5)]):
        on_trial.add(frame(seq, label=active), result(drawn(profile, 1)[0], predicted=mine))
    for seq in (0, 1, 2, 3, 3, 99):
        on_trial.label(Feedback(id=f"4-{seq}", label=3))
    on_trial.label(Feedback(id="3-0", label=3))  # of another start
    on_trial.label(Feedback(id="nonsense", label=3))

    verdict = on_trial.verdict()

    assert (verdict.labelled, verdict.right, verdict.active_right) == (4, 2, 2)


def test_constant_candidate_is_told_only_when_it_always_was(profile: Profile) -> None:
    rows = drawn(profile, 4 * MANY_UNLIKE)
    rows[:, -OUTPUTS:] = rows[0, -OUTPUTS:]
    assert told(trial(profile), rows).constant

    rows[0, -OUTPUTS:] += 0.1

    assert not told(trial(profile), rows).constant
