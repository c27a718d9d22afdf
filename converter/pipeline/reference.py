"""Held-out examples that show what is normal, each under the condition that it belongs to.

Conditions come from the recipe (``profile.groups``); a retraining adds one for each device that it learns from,
held-out pictures as that device takes them: what the new model was made for is no drift to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from converter.corruptions import from_unit, to_unit
from converter.datasets.parts import members_of
from converter.errors import DatasetError
from converter.evidence.lookalike import Lookalike
from converter.packaging import Reference
from converter.pipeline.order import BuildOrder
from converter.preparation import Prepared, in_batches
from converter.recipe import Recipe
from converter.recipe.profile import refused_names
from edge_models.profile import MAX_CONTEXTS, REFERENCE

MIN_HELD_OUT = 200
"""Held-out examples of a condition: with fewer, its averages are so uncertain that small drifts hide behind them."""

_DEVICE = "device"  # name of the condition of a device; device-2 of the second
_NEAR = 0.5  # a lookalike further from the evidence than half of the way does not show what is normal there
_MAX_ALIKE = 4000  # held-out pictures that are taken like a device's
_AT_ONCE = 256  # pictures


def check_conditions(recipe: Recipe, prepared: Prepared) -> None:
    """Refuse conditions that cannot be measured, before anything is trained.

    Raises:
        DatasetError: The data do not tell them, name them otherwise, or hold out too few examples of one.
    """
    conditions(recipe, prepared, _held_out(recipe, prepared))


def conditions(recipe: Recipe, prepared: Prepared, chosen: NDArray[np.intp]) -> dict[str, NDArray[np.bool_]]:
    """Which of the chosen examples are of each condition that ``profile.groups`` asks for; empty without.

    Raises:
        DatasetError: As for ``check_conditions``.
    """
    section, data, where = recipe.profile, prepared.data, recipe.dataset.source
    if section.groups is None:
        return {}
    if isinstance(section.groups, dict):
        found = {
            name: members_of(data, groups, f"profile.groups {name}", where)[chosen]
            for name, groups in section.groups.items()
        }
    elif data.context is None:
        raise DatasetError(
            f"{where}: found profile.groups {section.groups!r}, expected data that tell conditions (csv:, npz:, or "
            "files with dataset.pattern); leave it out, or map the names of conditions to groups"
        )
    else:
        refusal = refused_names(data.contexts)
        if refusal is not None:
            raise DatasetError(f"{where}: found {section.groups} for profile.groups, expected {refusal}; rename them")
        found = {name: data.context[chosen] == number for number, name in enumerate(data.contexts)}
    _check_sizes(found, len(chosen), where)
    return found


def reference(order: BuildOrder, prepared: Prepared, lookalikes: Sequence[Lookalike]) -> Reference:
    """Held-out examples, the more the surer; of anomalies the normal ones of the profile part alone.

    The test part must not choose the threshold that it judges.

    Args:
        order: What to build.
        prepared: Its data.
        lookalikes: What makes pictures like those of each device of a retraining.
    """
    chosen, data = _held_out(order.recipe, prepared), prepared.data
    groups = conditions(order.recipe, prepared, chosen)
    inputs, y = [prepared.inputs(chosen)], [data.y[chosen]]
    for name, lookalike in _devices(groups, len(chosen), lookalikes):
        rng = np.random.default_rng([order.recipe.training.seed, len(inputs)])
        some = np.sort(rng.permutation(chosen)[:_MAX_ALIKE])
        inputs.append(_taken(lookalike, order.recipe, prepared, some, rng))
        y.append(data.y[some])
        groups = {one: np.append(members, np.zeros(len(some), bool)) for one, members in groups.items()}
        groups[name] = np.arange(sum(map(len, y))) >= sum(map(len, y[:-1]))
    return Reference(
        spec=prepared.spec,
        inputs=np.concatenate(inputs),
        y=np.concatenate(y),
        classes=len(data.labels),
        groups=groups,
    )


def in_words(found: Reference) -> str | None:
    """The conditions and their examples; None where there is only one."""
    if not found.groups:
        return None
    sizes = {name: int(members.sum()) for name, members in found.groups.items()}
    rest = len(found.y) - sum(sizes.values())
    told = sizes | ({REFERENCE: rest} if rest else {})
    return "profile: conditions " + ", ".join(f"{name} ({size})" for name, size in told.items())


def _held_out(recipe: Recipe, prepared: Prepared) -> NDArray[np.intp]:
    parts = prepared.parts
    return parts.profile if recipe.task == "anomaly" else np.concatenate([parts.profile, parts.test])


def _check_sizes(groups: Mapping[str, NDArray[np.bool_]], count: int, where: str) -> None:
    sizes = {name: int(members.sum()) for name, members in groups.items()}
    rest = count - sum(sizes.values())
    if rest:
        sizes[REFERENCE] = sizes.get(REFERENCE, 0) + rest
    if REFERENCE in groups and rest:
        raise DatasetError(
            f"{where}: found {rest} held-out examples of no condition and one of the name {REFERENCE}, which those "
            "get; expected another name in profile.groups"
        )
    if len(sizes) > MAX_CONTEXTS:
        raise DatasetError(
            f"{where}: found {len(sizes)} conditions ({', '.join(sizes)}), expected at most {MAX_CONTEXTS}; join some "
            "in profile.groups"
        )
    few = next((name for name, size in sizes.items() if size < MIN_HELD_OUT), None)
    if few is not None:
        raise DatasetError(
            f"{where}: found {sizes[few]} held-out examples of condition {few}, expected at least {MIN_HELD_OUT}; "
            "bring more, raise dataset.profile or dataset.test, or join conditions in profile.groups"
        )


def _devices(
    groups: Mapping[str, NDArray[np.bool_]], count: int, lookalikes: Sequence[Lookalike]
) -> Iterator[tuple[str, Lookalike]]:
    """A condition for each kind of device that is known well, as far as a profile has room."""
    if count < MIN_HELD_OUT:
        return
    taken = len(groups) + (not groups or sum(int(members.sum()) for members in groups.values()) < count)
    near = [one for one in lookalikes if one.distance <= _NEAR]
    known = list({(one.corruption, one.instead, id(one.pixel_map)): one for one in near}.values())
    for number, lookalike in enumerate(known[: MAX_CONTEXTS - taken], start=1):
        yield _DEVICE if number == 1 else f"{_DEVICE}-{number}", lookalike


def _taken(
    lookalike: Lookalike, recipe: Recipe, prepared: Prepared, chosen: NDArray[np.intp], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Inputs (n, ...) of pictures as the device would take them, all with the setting that was found.

    With the steps that training takes about it, signals spread more than those of a device (of digits: a largest
    distance of .12 to .33 in the distribution of a signal, .04 to .08 without).
    """
    made = []
    for start in range(0, len(chosen), _AT_ONCE):
        frames = prepared.data.x[chosen[start : start + _AT_ONCE]]
        images = lookalike.take(to_unit(frames, recipe.input.value_range), rng, is_shaken=False)
        frames = from_unit(images, frames, recipe.input.value_range)
        made.append(in_batches(prepared.preprocess, frames, np.arange(len(frames))))
    return np.concatenate(made)
