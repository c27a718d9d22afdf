"""Divide examples into train, profile and test: stratified by class, or by whole groups where there are groups."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from converter.datasets.places import FREE
from converter.errors import DatasetError

Indices = NDArray[np.intp]
Parts = NDArray[np.int8]
TRAIN, PROFILE, TEST = 0, 1, 2
_SHOWN = 8  # classes that a message names
_DIVISIONS = 200  # tried where there are groups: with few groups most miss the shares, or a class
_ABSENT = 0.1  # a class that the profile or test part has not is as bad as a tenth of the data in the wrong part


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Splits:
    """Indices of the examples of each part; no example, and no group, is in two.

    Attributes:
        train: To learn from, and to calibrate with.
        profile: For the reference profile, and to watch the training.
        test: For the final figures.
    """

    train: Indices
    profile: Indices
    test: Indices

    @property
    def all(self) -> tuple[Indices, Indices, Indices]:
        """Train, profile and test."""
        return self.train, self.profile, self.test


def split(
    y: NDArray[np.int64],
    group: NDArray[np.int64] | None,
    *,
    profile: float,
    test: float,
    seed: int,
    part: Parts | None = None,
    needed: tuple[int, ...] | None = None,
    labels: tuple[str, ...] = (),
) -> Splits:
    """Divide n examples.

    Args:
        y: Class of each, (n,).
        group: Group of each, (n,), or None.
        profile: Share of the profile part, of what is left to be divided.
        test: Share of the test part, of the same.
        seed: Of the choice.
        part: What is already decided: 0 train, 1 profile, 2 test, -1 free, (n,); None when nothing is. Only parts that
            have no example yet get some: of the free ones, or of the training part where none is free.
        needed: Classes that the training part must have; all when None. The others are there to be tested: whole
            groups are dealt so that the test part has them, where that can be.
        labels: Names of the classes in messages.

    Raises:
        DatasetError: Too few examples or groups for three parts.

    Examples:
        >>> parts = split(np.arange(20) % 2, None, profile=0.2, test=0.2, seed=0)
        >>> len(parts.train), len(parts.profile), len(parts.test)
        (12, 4, 4)
    """
    rng = np.random.default_rng(seed)
    found = np.full(len(y), FREE, np.int8) if part is None else part.copy()
    shares = (0.0 if (found == PROFILE).any() else profile, 0.0 if (found == TEST).any() else test)
    pool = np.flatnonzero(found == FREE)
    pool = pool if len(pool) or not any(shares) else np.flatnonzero(found == TRAIN)
    wanted = set(np.unique(y).tolist() if needed is None else needed)
    if len(pool) and group is None:
        found[pool] = _by_class(y[pool], *shares, rng)
    elif len(pool) and group is not None:
        found[pool] = _by_group(y[pool], group[pool], *shares, rng, wanted)
    parts = Splits(
        train=np.flatnonzero(found == TRAIN),
        profile=np.flatnonzero(found == PROFILE),
        test=np.flatnonzero(found == TEST),
    )
    missing = sorted(wanted - set(np.unique(y[parts.train]).tolist()))
    if missing or not (len(parts.profile) and len(parts.test)):
        classes = ", ".join(_named(name, labels) for name in missing[:_SHOWN])
        what = f"the training part has no example of {classes}" if missing else "a part is empty"
        raise DatasetError(f"{len(y)} examples cannot be divided: {what}; bring more examples or groups")
    return parts


def _named(name: int, labels: tuple[str, ...]) -> str:
    return labels[name] if name < len(labels) else f"class {name}"


def stratified(y: NDArray[np.int64], count: int, seed: int) -> Indices:
    """Indices of ``count`` examples that take turns through the classes; all of them when there are fewer."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(y))
    return np.asarray(np.sort(order[np.argsort(_turns(y[order]), kind="stable")][:count]))


def few_of_each(y: NDArray[np.int64], count: int, seed: int) -> NDArray[np.bool_]:
    """Which examples, (n,), are among ``count`` of their class that are chosen at random.

    Examples:
        >>> few_of_each(np.array([0, 0, 0, 1]), 1, seed=0).sum()
        np.int64(2)
    """
    order = np.random.default_rng(seed).permutation(len(y))
    chosen = np.zeros(len(y), bool)
    chosen[order] = _turns(y[order]) < count
    return chosen


def _turns(y: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many examples of the same class stand before each."""
    turn = np.empty(len(y), np.int64)
    for name in np.unique(y):
        members = np.flatnonzero(y == name)
        turn[members] = np.arange(len(members))
    return turn


def _by_class(y: NDArray[np.int64], profile: float, test: float, rng: np.random.Generator) -> Parts:
    """Number of the part of each example; a class with fewer than three is for training only."""
    part = np.zeros(len(y), np.int8)
    for name in np.unique(y):
        members = rng.permutation(np.flatnonzero(y == name))
        spare = len(members) - 1  # one at least is for training
        enough = spare >= (profile > 0) + (test > 0)
        n_test = min(max(1, round(len(members) * test)), spare - (profile > 0)) if enough and test else 0
        n_profile = min(max(1, round(len(members) * profile)), spare - n_test) if enough and profile else 0
        part[members[:n_test]] = TEST
        part[members[n_test : n_test + n_profile]] = PROFILE
    return part


def _by_group(
    y: NDArray[np.int64],
    group: NDArray[np.int64],
    profile: float,
    test: float,
    rng: np.random.Generator,
    learnt: Collection[int],
) -> Parts:
    """Number of the part of each example, by whole groups: of some random divisions the one nearest to the shares."""
    names, members = np.unique(group, return_inverse=True)
    needed = 1 + (profile > 0) + (test > 0)
    if len(names) < needed:
        raise DatasetError(
            f"found {len(names)} groups, expected at least {needed}, because train, profile and test get whole "
            "ones; bring more groups, or choose others (pattern, group_column or blocks of dataset)"
        )
    classes, numbers = np.unique(y, return_inverse=True)
    counts = np.zeros((len(names), len(classes)), np.int64)
    np.add.at(counts, (members, numbers), 1)
    strata = _strata(counts, needed)
    is_learnt = np.isin(classes, list(learnt))
    dealings = (_dealt_strata(strata, counts.sum(axis=1), profile, test, rng) for _ in range(_DIVISIONS))
    best = min(dealings, key=lambda dealt: _misfit(counts, dealt, profile, test, is_learnt))
    return np.asarray(best[members])


def _misfit(
    counts: NDArray[np.int64], dealt: Parts, profile: float, test: float, is_learnt: NDArray[np.bool_]
) -> tuple[int, float]:
    """How bad a division is: classes that cannot be learnt or tested; then shares and classes of the other parts."""
    of_part = np.stack([counts[dealt == number].sum(axis=0) for number in (TRAIN, PROFILE, TEST)])
    sizes = of_part.sum(axis=1) / counts.sum()
    off = abs(float(sizes[PROFILE]) - profile) + abs(float(sizes[TEST]) - test)
    absent = of_part == 0
    without = int(absent[PROFILE, is_learnt].sum()) * (profile > 0) + int(absent[TEST].sum()) * (test > 0)
    useless = int(absent[TRAIN, is_learnt].sum()) + int(absent[TEST, ~is_learnt].sum()) * (test > 0)
    return useless, off + _ABSENT * without


def _strata(counts: NDArray[np.int64], needed: int) -> list[Indices]:
    """Groups that are dealt together: by class where each group has one class and each class enough groups."""
    own = counts.argmax(axis=1)
    members = [np.flatnonzero(own == name) for name in range(counts.shape[1])]
    is_pure = (np.count_nonzero(counts, axis=1) == 1).all()
    return members if is_pure and min(map(len, members)) >= needed else [np.arange(len(counts))]


def _dealt_strata(
    strata: list[Indices], sizes: NDArray[np.int64], profile: float, test: float, rng: np.random.Generator
) -> Parts:
    part = np.zeros(len(sizes), np.int8)
    for members in strata:
        part[members] = _dealt(sizes[members], profile, test, rng)
    return part


def _dealt(sizes: NDArray[np.int64], profile: float, test: float, rng: np.random.Generator) -> Parts:
    """Number of the part of each group: test, then profile, filled in random order as near to the share as it goes."""
    part = np.zeros(len(sizes), np.int8)
    left = rng.permutation(len(sizes)).tolist()
    wanted = [(number, share) for number, share in ((TEST, test), (PROFILE, profile)) if share]
    for after, (number, share) in zip(range(len(wanted), 0, -1), wanted, strict=True):
        missing = share * sizes.sum()
        while len(left) > after and abs(missing - sizes[left[-1]]) < abs(missing):  # groups for the parts to come
            chosen = left.pop()
            part[chosen] = number
            missing -= sizes[chosen]
        if not (part == number).any():  # the next group alone is more than the share
            part[left.pop()] = number
    return part
