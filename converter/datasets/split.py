"""Divide examples into train, profile and test: stratified by class, or by whole groups where there are groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from converter.errors import DatasetError

Indices = NDArray[np.intp]


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
    part = np.zeros(len(y), np.int8) if group is None else _by_group(y, group, profile, test, rng)
    if group is None:
        for name in np.unique(y):
            members = rng.permutation(np.flatnonzero(y == name))
            n_test, n_profile = _count(len(members), test), _count(len(members), profile)
            part[members[:n_test]] = 2
            part[members[n_test : n_test + n_profile]] = 1
    parts = Splits(train=np.flatnonzero(part == 0), profile=np.flatnonzero(part == 1), test=np.flatnonzero(part == 2))
    missing = set(np.unique(y).tolist()) - set(np.unique(y[parts.train]).tolist())
    if not (len(parts.train) and len(parts.profile) and len(parts.test)) or missing:
        what = f"classes {sorted(missing)} are not in the training part" if missing else "a part is empty"
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


def _count(members: int, share: float) -> int:
    return max(1, round(members * share)) if members >= 3 else 0


def _by_group(
    y: NDArray[np.int64], group: NDArray[np.int64], profile: float, test: float, rng: np.random.Generator
) -> NDArray[np.int8]:
    """Fill test, then profile, with whole groups in random order until each has its share."""
    part = np.zeros(len(y), np.int8)
    names = rng.permutation(np.unique(group))
    if len(names) < 3:
        raise DatasetError(f"found {len(names)} groups, expected at least 3: train, profile and test get whole ones")
    left = list(names)
    for number, share in ((2, test), (1, profile)):
        filled = 0
        while filled < share * len(y) and len(left) > number:
            members = group == left.pop()
            part[members] = number
            filled += int(members.sum())
    return part
