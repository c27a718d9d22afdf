"""Parts of a data set: what the recipe and the source say of them, and the task anomaly's own rule."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from converter.datasets.dataset import Dataset
from converter.datasets.examples import Integers
from converter.datasets.places import FREE
from converter.datasets.split import PROFILE, TEST, TRAIN, Parts, Splits, split
from converter.errors import CutGroupError, DatasetError
from converter.recipe.dataset import DatasetRecipe

NORMAL, ANOMALY = 0, 1
ANOMALY_LABELS = ("normal", "anomaly")
_NAMES = {TRAIN: "train", PROFILE: "profile", TEST: "test", FREE: "no part"}


def fixed_parts(data: Dataset, section: DatasetRecipe) -> Parts | None:
    """What is decided about each example, (n,): 0 train, 1 profile, 2 test, -1 free; None when nothing is.

    Raises:
        DatasetError: Nothing has the name of a test group.
        CutGroupError: A group would be cut.
    """
    part = None if data.part is None else data.part.copy()
    if section.test_groups:
        part = np.full(len(data.x), FREE, np.int8) if part is None else part
        part[members_of(data, section.test_groups, "dataset.test_groups", section.source)] = TEST
    check_whole(data, part, section.source)
    return part


def members_of(data: Dataset, names: Iterable[str], key: str, where: str) -> NDArray[np.bool_]:
    """Which examples (n,) are of the groups with these names; that of a recording stands for all of its blocks.

    Args:
        data: With groups.
        names: Of groups.
        key: Of the recipe that names them.
        where: The data in messages.

    Raises:
        DatasetError: Nothing has one of the names.
    """
    found = np.zeros(len(data.x), bool)
    for name in names:
        if data.group is not None and name in data.groups:
            found |= data.group == data.groups.index(name)
        elif data.group is not None and data.file is not None and name in data.names:
            found |= data.file == data.names.index(name)
        else:
            known = ", ".join(data.groups[:20]) or "no groups"
            raise DatasetError(f"{where}: found {known}, expected {key} {name!r} among them")
    return found


def check_whole(data: Dataset, part: Parts | None, source: str) -> None:
    """Refuse parts that are decided and cut a group.

    Raises:
        CutGroupError: A group is in two parts.
    """
    if part is None or data.group is None:
        return
    seen = np.unique(np.stack([data.group, part.astype(np.int64)], axis=1), axis=0)
    names, counts = np.unique(seen[:, 0], return_counts=True)
    if (counts > 1).any():
        cut = int(names[counts > 1][0])
        parts = " and ".join(_NAMES[int(number)] for name, number in seen if name == cut)
        raise CutGroupError(
            f"{source}: found group {data.groups[cut]} in {parts}, expected it in one part; mend dataset.test_from or "
            "dataset.pattern, or the groups"
        )


def divided(data: Dataset, section: DatasetRecipe, part: Parts | None, seed: int) -> Splits:
    """The three parts of a classification.

    Raises:
        DatasetError: Too few examples or groups for three parts.
    """
    try:
        return split(
            data.y,
            data.group,
            profile=section.profile,
            test=section.test,
            seed=seed,
            part=part,
            labels=data.labels,
        )
    except DatasetError as exc:
        raise DatasetError(f"{section.source}: {exc}") from exc


def is_anomaly(data: Dataset, section: DatasetRecipe) -> Integers:
    """0 for normal examples and 1 for the others, (n,).

    Raises:
        DatasetError: ``dataset.normal`` names no class, or all of them.
    """
    known = ", ".join(data.labels)
    strange = [name for name in section.normal if name not in data.labels]
    if strange or not section.normal:
        found = repr(strange[0]) if strange else "nothing"
        raise DatasetError(f"{section.source}: found {found} in dataset.normal, expected some of {known} for anomaly")
    normal = np.array([name in section.normal for name in data.labels])
    y = np.where(normal[data.y], NORMAL, ANOMALY).astype(np.int64)
    if len(np.unique(y)) < 2:
        raise DatasetError(
            f"{section.source}: found no example that is not of dataset.normal ({', '.join(section.normal)}), expected "
            "some to measure with; bring anomalies"
        )
    return y


def divided_anomaly(y: Integers, data: Dataset, section: DatasetRecipe, part: Parts | None, seed: int) -> Splits:
    """Parts of the task anomaly: train and profile hold normal examples only, test the rest of them and anomalies.

    With groups an anomaly of a group that is learnt from is left out, because no group is cut.

    Raises:
        DatasetError: A part has nothing, or the test part only one kind.
    """
    try:
        parts = _with_all_anomalies(y, data.group, section, part, seed)
    except DatasetError as exc:
        raise DatasetError(f"{section.source}: {exc}") from exc
    parts = Splits(
        train=parts.train[y[parts.train] == NORMAL],
        profile=parts.profile[y[parts.profile] == NORMAL],
        test=parts.test,
    )
    kinds = np.unique(y[parts.test])
    if not (len(parts.train) and len(parts.profile)) or len(kinds) < 2:
        raise DatasetError(
            f"{section.source}: found {len(parts.train)} normal examples to train, {len(parts.profile)} for the "
            f"profile and in the test part {' and '.join(ANOMALY_LABELS[kind] for kind in kinds) or 'none'}, "
            "expected normal in "
            "all and anomalies in the test part; bring more groups or name dataset.test_groups"
        )
    return parts


def _with_all_anomalies(
    y: Integers, group: Integers | None, section: DatasetRecipe, part: Parts | None, seed: int
) -> Splits:
    """Normal examples divided with their groups; anomalies that nothing can be learnt beside are in the test part."""
    is_learnable = y == NORMAL if group is None else np.isin(group, group[y == NORMAL])
    learnable, others = np.flatnonzero(is_learnable), np.flatnonzero(~is_learnable)
    inner = split(
        y[learnable],
        None if group is None else group[learnable],
        profile=section.profile,
        test=section.test,
        seed=seed,
        part=None if part is None else part[learnable],
        needed=(NORMAL,),
    )
    if part is not None:
        are_tested = (TEST,) if group is not None and (part == TEST).any() else (FREE, TEST)  # those groups, no others
        others = others[np.isin(part[others], are_tested)]
    test = np.sort(np.append(learnable[inner.test], others))
    return Splits(train=learnable[inner.train], profile=learnable[inner.profile], test=test)
