"""What recipe and source say about parts stays, no group is cut, and anomalies are never learnt from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.datasets import Dataset
from converter.datasets.parts import divided, divided_anomaly, fixed_parts, is_anomaly
from converter.datasets.split import few_of_each, split
from converter.errors import DatasetError
from converter.recipe.dataset import DatasetRecipe


def dataset(n: int = 60, **keys: Any) -> Dataset:
    given_keys: dict[str, Any] = {
        "x": np.zeros((n, 2), np.float32),
        "y": np.arange(n) % 3,
        "labels": ("a", "b", "c"),
    } | keys
    return Dataset(**given_keys)


def recipe(**keys: Any) -> DatasetRecipe:
    return DatasetRecipe(source="npz:d.npz", **keys)


@given(st.lists(st.sampled_from([-1, 0, 1, 2]), min_size=40, max_size=90), st.integers(0, 2**31))
def test_what_is_decided_stays(said: list[int], seed: int) -> None:
    part = np.array([0] * 12 + said, np.int8)
    y = np.arange(len(part)) % 2

    parts = split(y, None, profile=0.2, test=0.2, seed=seed, part=part)

    together = np.concatenate([parts.train, parts.profile, parts.test])
    assert sorted(together.tolist()) == list(range(len(part)))
    assert (part[parts.profile] != 2).all()
    assert (part[parts.test] != 1).all()
    if (part == 2).any():
        assert set(np.flatnonzero(part == 2)) == set(parts.test)
    if (part == 1).any():
        assert set(np.flatnonzero(part == 1)) == set(parts.profile)


def test_a_source_with_train_and_test_gives_its_profile_from_train() -> None:
    part = np.repeat([0, 2], [50, 10]).astype(np.int8)

    parts = split(np.arange(60) % 2, None, profile=0.2, test=0.3, seed=0, part=part)

    assert parts.test.tolist() == list(range(50, 60))
    assert (len(parts.train), len(parts.profile)) == (40, 10)


def test_test_groups_choose_the_test_part() -> None:
    group = np.repeat([0, 1, 2, 3], 15)
    data = dataset(group=group, groups=("spring", "summer", "autumn", "winter"))

    by_name = divided(data, recipe(), fixed_parts(data, recipe(test_groups=("summer",))), 0)

    assert by_name.test.tolist() == list(range(15, 30))
    assert not set(group[by_name.train]) & set(group[by_name.profile])


def test_the_name_of_a_recording_stands_for_all_of_its_blocks() -> None:
    data = dataset(group=np.arange(60) // 10, groups=tuple("123456"), file=np.arange(60) // 30, names=("left", "right"))

    part = fixed_parts(data, recipe(test_groups=("right",)))

    assert part is not None
    assert np.flatnonzero(part == 2).tolist() == list(range(30, 60))


@pytest.mark.parametrize(
    ("keys", "data", "said"),
    [
        ({"test_groups": ("x",)}, {}, "found no groups, expected dataset.test_groups 'x' among them"),
        (
            {"test_groups": ("x",)},
            {"group": np.arange(60) // 30, "groups": ("a", "b")},
            "found a, b, expected dataset.test_groups 'x' among them",
        ),
        (
            {},
            {
                "group": np.arange(60) // 20,
                "groups": ("a", "b", "c"),
                "part": np.repeat([-1, 2], [50, 10]).astype(np.int8),
            },
            "found group c in no part and test, expected it in one part",
        ),
        (
            {},
            {"group": np.arange(60) % 3, "groups": ("a", "b", "c"), "part": np.repeat([0, 2], 30).astype(np.int8)},
            "found group a in train and test, expected it in one part",
        ),
    ],
)
def test_parts_that_cannot_be_are_one_clear_line(keys: dict[str, Any], data: dict[str, Any], said: str) -> None:
    with pytest.raises(DatasetError) as caught:
        fixed_parts(dataset(**data), recipe(**keys))

    assert said in str(caught.value)


def test_pure_groups_are_dealt_class_by_class() -> None:
    # 7 recordings of 4 classes in 8 blocks each, as of a bearing test rig.
    y = np.repeat([0, 0, 1, 1, 2, 3, 3], 80)
    group = np.arange(560) // 10

    for seed in range(5):
        parts = split(y, group, profile=0.2, test=0.2, seed=seed)
        assert set(y[parts.profile]) == set(y[parts.test]) == {0, 1, 2, 3}


@given(st.integers(0, 1000))
def test_anomalies_are_in_the_test_part_only(seed: int) -> None:
    data = dataset()
    section = recipe(normal=("a", "b"))
    y = is_anomaly(data, section)

    parts = divided_anomaly(y, data, section, None, seed)

    assert y.sum() == 20
    assert not y[parts.train].any()
    assert not y[parts.profile].any()
    assert y[parts.test].sum() == 20
    assert 0 < (y[parts.test] == 0).sum() < 40


def test_anomalies_of_groups_that_are_learnt_from_are_left_out() -> None:
    data = dataset(group=np.arange(60) // 10, groups=tuple("123456"))
    section = recipe(normal=("a",), test_groups=("2",))
    y = is_anomaly(data, section)

    parts = divided_anomaly(y, data, section, fixed_parts(data, section), 0)

    assert parts.test.tolist() == list(range(10, 20))
    assert not y[np.append(parts.train, parts.profile)].any()
    assert len(parts.train) + len(parts.profile) == (np.delete(y, np.arange(10, 20)) == 0).sum()


@pytest.mark.parametrize(
    ("normal", "said"),
    [
        ((), "found nothing in dataset.normal, expected some of a, b, c for anomaly"),
        (("a", "d"), "found 'd' in dataset.normal, expected some of a, b, c"),
        (("a", "b", "c"), "found no example that is not of dataset.normal (a, b, c), expected some to measure with"),
    ],
)
def test_wrong_normal_classes_are_one_clear_line(normal: tuple[str, ...], said: str) -> None:
    with pytest.raises(DatasetError) as caught:
        is_anomaly(dataset(), recipe(normal=normal))

    assert said in str(caught.value)


def test_a_test_part_without_anomalies_is_refused() -> None:
    y = np.repeat([0, 0, 0, 1], 15)
    data = dataset(y=y, labels=("ok", "bad"), group=np.arange(60) // 15, groups=tuple("1234"))
    section = recipe(normal=("ok",), test_groups=("1",))

    with pytest.raises(
        DatasetError, match=r"in the test part normal, expected normal in all and anomalies in the test"
    ):
        divided_anomaly(is_anomaly(data, section), data, section, fixed_parts(data, section), 0)


def test_a_lone_group_of_anomalies_is_tested_and_not_left_out() -> None:
    y = np.repeat([0, 0, 0, 0, 0, 1], 10)
    y[45:50] = 1
    data = dataset(y=y, labels=("ok", "bad"), group=np.arange(60) // 10, groups=tuple("123456"))

    for only_mixed in (False, True):
        normal_from = np.where((y == 1) & (np.arange(60) >= 50), 0, y) if only_mixed else y
        for seed in range(5):
            parts = divided_anomaly(normal_from, data, recipe(), None, seed)
            assert normal_from[parts.test].sum() == normal_from[40:].sum()


@given(st.lists(st.integers(0, 4), min_size=1, max_size=80), st.integers(1, 20), st.integers(0, 2**31))
def test_few_of_each_class_are_chosen(y: list[int], count: int, seed: int) -> None:
    classes = np.array(y)

    chosen = few_of_each(classes, count, seed)

    for name in range(5):
        assert (classes[chosen] == name).sum() == min(count, (classes == name).sum())


@pytest.mark.parametrize("group", [None, np.arange(60) % 2])
def test_data_that_cannot_be_divided_are_named(group: np.ndarray[Any, Any] | None) -> None:
    data = dataset(group=group, groups=("a", "b")) if group is not None else dataset(4, y=np.array([0, 0, 1, 2]))

    with pytest.raises(DatasetError, match=r"^npz:d.npz: .*; bring more"):
        divided(data, recipe(), None, 0)


def test_a_class_that_cannot_be_learnt_is_named() -> None:
    data = dataset(group=np.arange(60) % 3, groups=tuple("xyz"))

    with pytest.raises(DatasetError, match=r"^npz:d.npz: .* has no example of [abc], [abc]; bring more"):
        divided(data, recipe(), None, 0)
