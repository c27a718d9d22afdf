"""Divide examples into train, profile and test: stratified by class, or by whole groups where there are groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from converter.errors import DatasetError

Indices = NDArray[np.intp]
_DIVISIONS = 64  # tried where there are groups: with few groups most miss the shares, or a class


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


def split(y: NDArray[np.int64], group: NDArray[np.int64] | None, *, profile: float, test: float, seed: int) -> Splits:
    """Divide n examples.

    Args:
        y: Class of each, (n,).
        group: Group of each, (n,), or None.
        profile: Share of the profile part.
        test: Share of the test part.
        seed: Of the choice.

    Raises:
        DatasetError: Too few examples or groups for three parts.

    Examples:
        >>> parts = split(np.arange(20) % 2, None, profile=0.2, test=0.2, seed=0)
        >>> len(parts.train), len(parts.profile), len(parts.test)
        (12, 4, 4)
    """
    rng = np.random.default_rng(seed)
    part = _by_class(y, profile, test, rng) if group is None else _by_group(y, group, profile, test, rng)
    parts = Splits(train=np.flatnonzero(part == 0), profile=np.flatnonzero(part == 1), test=np.flatnonzero(part == 2))
    missing = sorted(set(np.unique(y).tolist()) - set(np.unique(y[parts.train]).tolist()))
    if missing or not (len(parts.profile) and len(parts.test)):
        what = f"classes {missing} are not in the training part" if missing else "a part is empty"
        raise DatasetError(f"{len(y)} examples cannot be divided: {what}; bring more examples or groups")
    return parts


def stratified(y: NDArray[np.int64], count: int, seed: int) -> Indices:
    """Indices of ``count`` examples that take turns through the classes; all of them when there are fewer."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(y))
    turn = np.empty(len(y), np.int64)
    for name in np.unique(y):
        members = order[y[order] == name]
        turn[members] = np.arange(len(members))
    return np.asarray(np.sort(order[np.argsort(turn[order], kind="stable")][:count]))


def _by_class(y: NDArray[np.int64], profile: float, test: float, rng: np.random.Generator) -> NDArray[np.int8]:
    """Number of the part of each example; a class with fewer than three is for training only."""
    part = np.zeros(len(y), np.int8)
    for name in np.unique(y):
        members = rng.permutation(np.flatnonzero(y == name))
        spare = len(members) - 1  # one at least is for training
        n_test = min(max(1, round(len(members) * test)), spare - 1) if spare > 1 else 0
        n_profile = min(max(1, round(len(members) * profile)), spare - n_test) if spare > 1 else 0
        part[members[:n_test]] = 2
        part[members[n_test : n_test + n_profile]] = 1
    return part


def _by_group(
    y: NDArray[np.int64], group: NDArray[np.int64], profile: float, test: float, rng: np.random.Generator
) -> NDArray[np.int8]:
    """Number of the part of each example, by whole groups: of some random divisions the one nearest to the shares."""
    names, members = np.unique(group, return_inverse=True)
    if len(names) < 3:
        raise DatasetError(f"found {len(names)} groups, expected at least 3: train, profile and test get whole ones")
    classes = np.unique(y)

    def misfit(part: NDArray[np.int8]) -> tuple[int, float]:
        absent = len(classes) - len(np.unique(y[part == 0]))
        return absent, abs(float((part == 2).mean()) - test) + abs(float((part == 1).mean()) - profile)

    sizes = np.bincount(members)
    return min((_dealt(sizes, profile, test, rng)[members] for _ in range(_DIVISIONS)), key=misfit)


def _dealt(sizes: NDArray[np.intp], profile: float, test: float, rng: np.random.Generator) -> NDArray[np.int8]:
    """Number of the part of each group: test, then profile, filled in random order as near to the share as it goes."""
    part = np.zeros(len(sizes), np.int8)
    left = rng.permutation(len(sizes)).tolist()
    for number, share in ((2, test), (1, profile)):
        missing = share * sizes.sum()
        while len(left) > number and abs(missing - sizes[left[-1]]) < abs(missing):  # groups for the parts to come
            chosen = left.pop()
            part[chosen] = number
            missing -= sizes[chosen]
        if not (part == number).any():  # the next group alone is more than the share
            part[left.pop()] = number
    return part
