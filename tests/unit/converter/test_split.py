"""Every example is in one part, every class is learnt, and no group is cut."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.datasets.split import Splits, split, stratified
from converter.errors import DatasetError

SHARES = st.tuples(st.floats(0.02, 0.4), st.floats(0.02, 0.4))
CLASS_SIZES = st.lists(st.integers(3, 40), min_size=2, max_size=6)


def labels(sizes: list[int]) -> Any:
    return np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))


def check_whole(parts: Splits, n: int) -> None:
    together = np.concatenate([parts.train, parts.profile, parts.test])
    assert sorted(together.tolist()) == list(range(n))
    assert min(len(parts.train), len(parts.profile), len(parts.test)) > 0


@given(CLASS_SIZES, SHARES, st.integers(0, 2**31))
def test_parts_are_disjoint_complete_and_stratified(sizes: list[int], shares: tuple[float, float], seed: int) -> None:
    y = labels(sizes)

    parts = split(y, None, profile=shares[0], test=shares[1], seed=seed)

    check_whole(parts, len(y))
    for name, size in enumerate(sizes):
        counts = {part: int((y[getattr(parts, part)] == name).sum()) for part in ("train", "profile", "test")}
        assert min(counts.values()) >= 1
        check_shares(counts, size, profile=shares[0], test=shares[1])


def check_shares(counts: Mapping[str, int], size: int, **shares: float) -> None:
    for part, share in shares.items():
        assert abs(counts[part] - share * size) <= 1.0, (part, counts, size)


@given(
    st.lists(st.integers(1, 30), min_size=3, max_size=12),
    SHARES,
    st.integers(0, 2**31),
)
def test_no_group_is_in_two_parts(sizes: list[int], shares: tuple[float, float], seed: int) -> None:
    group = np.repeat(np.arange(len(sizes)) * 7 - 20, sizes)
    y = np.zeros(len(group), np.int64)

    parts = split(y, group, profile=shares[0], test=shares[1], seed=seed)

    check_whole(parts, len(y))
    seen = [set(group[part].tolist()) for part in (parts.train, parts.profile, parts.test)]
    assert sum(len(names) for names in seen) == len(sizes)


@given(st.integers(0, 200))
def test_groups_are_chosen_so_that_every_class_is_learnt(seed: int) -> None:
    # Only the first group has the third class.
    group = np.repeat(np.arange(6), 10)
    y = np.where(np.arange(60) < 10, np.arange(60) % 3, np.arange(60) % 2)

    parts = split(y, group, profile=0.2, test=0.2, seed=seed)

    assert set(y[parts.train].tolist()) == {0, 1, 2}
    assert (len(parts.profile), len(parts.test)) == (10, 10)


def test_the_same_seed_gives_the_same_parts_and_another_seed_others() -> None:
    y = labels([30, 30])

    first, again, other = (split(y, None, profile=0.2, test=0.2, seed=seed) for seed in (1, 1, 2))

    np.testing.assert_array_equal(first.test, again.test)
    assert first.test.tolist() != other.test.tolist()


def test_a_class_with_two_examples_is_for_training_only() -> None:
    y = np.array([0] * 20 + [1] * 2)

    parts = split(y, None, profile=0.2, test=0.2, seed=0)

    assert (y[parts.train] == 1).sum() == 2


def test_too_few_examples_are_refused() -> None:
    with pytest.raises(DatasetError, match="4 examples cannot be divided: a part is empty; bring more examples"):
        split(np.array([0, 0, 1, 1]), None, profile=0.2, test=0.2, seed=0)


def test_too_few_groups_are_refused() -> None:
    with pytest.raises(DatasetError, match="found 2 groups, expected at least 3"):
        split(labels([10, 10]), np.repeat([4, 9], 10), profile=0.2, test=0.2, seed=0)


def test_a_class_that_no_division_can_put_into_training_is_named() -> None:
    # Three groups with a class each: one of them has to be the test part.
    y = np.repeat([0, 1, 2], 10)

    with pytest.raises(DatasetError, match=r"the training part has no example of class \d(, class \d)?; bring"):
        split(y, y, profile=0.2, test=0.2, seed=0)


@given(CLASS_SIZES, st.integers(1, 250), st.integers(0, 2**31))
def test_stratified_takes_turns_through_the_classes(sizes: list[int], count: int, seed: int) -> None:
    y = labels(sizes)

    chosen = stratified(y, count, seed)

    assert len(chosen) == len(set(chosen.tolist())) == min(count, len(y))
    taken = [int((y[chosen] == name).sum()) for name in range(len(sizes))]
    exhausted = [taken[name] == sizes[name] for name in range(len(sizes))]
    most = max(taken)
    assert all(exhausted[name] or taken[name] >= most - 1 for name in range(len(sizes)))
