"""The bank keeps its budget, finds what is there, and survives restarts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_models.drift import Bets, EBank, StreamBank
from edge_models.errors import DriftStateError
from edge_models.profile import build_profile
from tests.unit.edge_models.drift.references import CLASSES, NAMES, frames, reference

BETS = Bets(reference())
GAMES = st.lists(st.floats(0, 1, width=32), min_size=1, max_size=6)  # too few for an alarm at 1e12


def _run(bank: EBank, rng: np.random.Generator, n: int, shift: float = 0.0) -> int | None:
    """Frames until an alarm, or None."""
    values, predicted = frames(rng, n, shift)
    for i, (row, index) in enumerate(zip(values, predicted.tolist(), strict=True)):
        if bank.update(BETS.of(BETS.columns.of(row), index)):
            return i + 1
    return None


def _lengths(g_of: object, bank: StreamBank, longest: int) -> NDArray[np.int64]:
    """Frames until the first alarm of each stream; ``longest`` for those without one."""
    streams = len(bank.sums)
    lengths = np.full(streams, longest)
    running = np.ones(streams, bool)
    for t in range(longest):
        alarms = bank.update(g_of()) & running  # type: ignore[operator]
        lengths[alarms] = t + 1
        running &= ~alarms
        if not running.any():
            break
    return lengths


def test_the_average_run_length_is_the_threshold_at_least_on_the_worst_of_nulls() -> None:
    """Each g is 0 or 1 and its mean is the bound itself: nothing that is allowed wins more."""
    rng, threshold = np.random.default_rng(0), 60.0
    bank = StreamBank(BETS, threshold, 300)
    extremes = bank.factors(np.stack([np.zeros_like(BETS.bound), np.ones_like(BETS.bound)]))
    wide = np.tile(BETS.bound, 3)

    def worst() -> NDArray[np.float32]:
        return np.asarray(np.where(rng.random((300, wide.size), np.float32) < wide, extremes[1], extremes[0]))

    lengths = _lengths(worst, bank, 600)

    assert lengths.mean() - 3 * lengths.std() / np.sqrt(300) >= threshold


def test_frames_of_the_reference_raise_fewer_alarms_than_the_budget() -> None:
    rng, threshold = np.random.default_rng(1), 500.0
    values, predicted = frames(rng, 3000)
    bank = StreamBank(BETS, threshold, 100)
    factors = bank.factors(BETS.batch(BETS.columns.batch(values), predicted))

    lengths = _lengths(lambda: factors[rng.integers(3000, size=100)], bank, 1000)

    assert lengths.mean() >= threshold
    assert (lengths < 1000).mean() < 0.1


@settings(max_examples=50, deadline=None)
@given(start=st.floats(0, 1e6, width=32), weight=st.floats(0, 1), low=st.floats(0, 1), high=st.floats(0, 1))
def test_the_mean_of_all_sums_less_the_frames_never_rises_on_average(
    start: float, weight: float, low: float, high: float
) -> None:
    """E[value after] <= value before + 1 for every null of two points, whatever the sums are."""
    bound = BETS.bound.astype(np.float64) - 4e-6
    mean = low * weight + high * (1 - weight)
    scale = np.minimum(1, bound / max(mean, 1e-9))
    after = []
    for point in (low, high):
        bank = EBank(BETS, 1e20)
        bank._sums.fill(start)
        bank.update((point * scale).astype(np.float32))
        after.append(float(bank._sums.astype(np.float64).ravel() @ bank._weights.astype(np.float64)))

    expected = after[0] * weight + after[1] * (1 - weight)

    assert expected <= (start + 1) * (1 + 1e-6)


@pytest.mark.parametrize(("shift", "within"), [(0.6, 200), (1.0, 90), (3.0, 25)])
def test_a_shift_is_found_soon(shift: float, within: int) -> None:
    for seed in range(3):
        found = _run(EBank(BETS, 2.6e6 / 0.6), np.random.default_rng(seed), within, shift)

        assert found is not None


def test_a_drift_that_is_there_from_the_first_frame_is_found() -> None:
    bank = EBank(BETS, 1e6)

    assert _run(bank, np.random.default_rng(0), 100, shift=2.0) is not None
    assert bank.ranked(1)[0][0] in ("level", "tone")
    assert sum(share for _, share in bank.ranked(100)) == pytest.approx(1.0)


def test_what_breaks_the_correlation_is_explained_by_the_signal_that_moved() -> None:
    """Ten signals that say nearly the same; one moves by less than it varies, and much more than it differs."""
    rng = np.random.default_rng(0)

    def alike(n: int) -> NDArray[np.float64]:
        return np.asarray(rng.normal(size=(n, 1)) + 0.1 * rng.normal(size=(n, 10)))

    bets = Bets(build_profile(tuple(f"s{i}" for i in range(10)), alike(3000), None, 0))
    bank = EBank(bets, 1e6)
    values = alike(300)
    values[:, 3] += 0.15

    assert any(bank.update(bets.of(bets.columns.of(row))) for row in values)
    assert bank.ranked(1)[0][0] == "s3"


def test_flags_that_are_never_set_alarm_when_they_are() -> None:
    bank = EBank(BETS, 1e6)
    refused = [bank.update(BETS.of(None, None, (True, False))) for _ in range(10)]

    assert refused.index(True) < 9
    assert bank.ranked(1)[0][0] == "refused"


def test_after_an_alarm_it_begins_anew() -> None:
    bank = EBank(BETS, 100)
    while not bank.update(np.ones_like(BETS.bound)):
        pass
    assert bank.value >= 100

    bank.update(BETS.bound)

    assert bank.value == pytest.approx(1.0, rel=1e-4)
    assert bank.frames == 1


def test_no_game_makes_a_sum_overflow() -> None:
    bank = EBank(BETS, 9e23)
    with np.errstate(all="raise"):
        alarms = sum(bank.update(np.ones_like(BETS.bound)) for _ in range(200))

    assert alarms > 3
    assert np.isfinite(bank._sums).all()


def test_a_sum_that_grows_beyond_exact_integers_stays_finite() -> None:
    bank = EBank(BETS, 1e6)
    bank._sums.fill(1e-3)
    for _ in range(3000):
        bank.update(np.zeros_like(BETS.bound))
        bank.update(BETS.bound)

    assert np.isfinite(bank.value)
    assert bank.value < 3000


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_what_is_no_number_never_wins(bad: float) -> None:
    bank = EBank(BETS, 1e6)

    for _ in range(50):
        assert not bank.update(np.full_like(BETS.bound, bad))

    assert 0 < bank.value < 50


def test_what_is_above_one_wins_as_one_does() -> None:
    too_much, one = EBank(BETS, 1e6), EBank(BETS, 1e6)

    too_much.update(np.full_like(BETS.bound, np.inf))
    one.update(np.ones_like(BETS.bound))

    assert too_much.value == one.value


@settings(max_examples=40, deadline=None)
@given(games=GAMES)
def test_a_saved_bank_comes_back_bit_by_bit_and_no_sum_larger(games: list[float]) -> None:
    bank, restored, again = (EBank(BETS, 1e12) for _ in range(3))
    for level in games:
        bank.update(np.full_like(BETS.bound, level))

    restored.restore(bank.save())
    again.restore(restored.save())

    assert (restored._sums <= bank._sums).all()
    assert (restored._sums >= 0.85 * bank._sums).all()
    np.testing.assert_array_equal(again._sums, restored._sums)
    assert again.save() == restored.save()
    assert again.frames == bank.frames
    assert again.update(BETS.bound) == restored.update(BETS.bound)
    assert again.value == restored.value


def test_a_bank_saved_at_an_alarm_comes_back_empty() -> None:
    bank, restored = EBank(BETS, 10), EBank(BETS, 10)
    while not bank.update(np.ones_like(BETS.bound)):
        pass

    restored.restore(bank.save())

    assert (restored.value, restored.frames) == (0.0, 0)


def test_another_threshold_keeps_what_was_gathered() -> None:
    bank = EBank(BETS, 1e9)
    for _ in range(4):
        bank.update(np.ones_like(BETS.bound))
    before = bank.value

    bank.set_threshold(before / 2)

    assert bank.value == before
    assert bank.update(BETS.bound)


def test_the_state_of_25_signals_and_12_classes_is_small() -> None:
    rng = np.random.default_rng(0)
    names = tuple(f"s{i}" for i in range(25))
    profile = build_profile(names, rng.normal(size=(500, 25)), rng.integers(12, size=500), 12)

    assert len(EBank(Bets(profile), 1e6).save()) <= 1500


def test_a_state_of_something_else_is_refused() -> None:
    bank, values = EBank(BETS, 1e6), frames(np.random.default_rng(5), 1000)
    other = EBank(Bets(build_profile(NAMES, values[0], values[1], CLASSES)), 1e6)

    for data in (b"", bank.save()[:-1], b"XXXX" + bank.save()[4:], other.save()):
        with pytest.raises(DriftStateError, match="state of e_bank"):
            bank.restore(data)


@pytest.mark.parametrize("threshold", [0.5, float("nan"), float("inf"), 1e25])
def test_a_threshold_that_is_none_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold"):
        EBank(BETS, threshold)


def test_parallel_streams_are_the_bank_many_times() -> None:
    values, predicted = frames(np.random.default_rng(4), 120, shift=1.0)
    g = BETS.batch(BETS.columns.batch(values), predicted)
    single, parallel = EBank(BETS, 1e3), StreamBank(BETS, 1e3, 2)
    factors = parallel.factors(g)

    for row, factor in zip(g, factors, strict=True):
        alarms = parallel.update(np.stack([factor, np.ones_like(factor)]))

        assert alarms.tolist() == [single.update(row), False]
        assert float(parallel.sums[0] @ parallel._weights) == pytest.approx(single.value, rel=1e-5)
