"""Search for better hyper-parameters with Optuna: a tree-structured Parzen estimator that gives up hopeless trials.

Bergstra et al. 2011, Algorithms for Hyper-Parameter Optimization; the study lives in memory and has the recipe's seed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from converter.errors import RecipeError
from converter.keras_process.process import KerasProcess
from converter.preparation import Prepared
from converter.progress import Progress
from converter.recipe import Recipe, SearchRange, SearchRecipe
from converter.training.fit import Stage
from converter.training.trial import Judged, Within, tried
from edge_models.errors import FieldError
from edge_models.fields import decode, encode

Value = float | int | str | bool
SECTIONS = ("network", "training", "augment")
"""Sections that may be searched; the others decide about the data, and so about what the figures mean."""
_MOST_STARTS = 10  # random trials before the estimator takes over, Optuna's own default
_OBSERVED = 0.3  # of its epochs that each trial gets before it may be given up


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One training of the search.

    Attributes:
        settings: Values of the keys.
        judged: What it reached on the profile part; None when it was given up.
    """

    settings: Mapping[str, Value]
    judged: Judged | None

    @property
    def value(self) -> float | None:
        """The higher the better; None when it was given up."""
        return None if self.judged is None else self.judged.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """What came out.

    Attributes:
        recipe: With the best settings; without the section ``search``.
        trials: In their order.
    """

    recipe: Recipe
    trials: tuple[Trial, ...]


def search(recipe: Recipe, prepared: Prepared, progress: Progress, keras: KerasProcess) -> Searched:
    """The recipe with the settings that did best on the profile part; the test part stays untouched.

    The recipe's own settings are the first trial where the space holds them, so the result is never thought worse.

    Args:
        recipe: With a section ``search``.
        prepared: The examples.
        progress: Told after each epoch.
        keras: Gets one model after the other.

    Raises:
        RecipeError: No such section, or a key of it that cannot be searched.
    """
    import optuna

    section = recipe.search
    if section is None:
        raise RecipeError(f"recipe {recipe.name}: found no section search, expected one with trials and space")
    _check(recipe, section)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    epochs = section.epochs or recipe.training.epochs
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(
            seed=recipe.training.seed, n_startup_trials=min(_MOST_STARTS, section.trials // 2)
        ),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=round(_OBSERVED * epochs)),
    )
    own = _own(recipe, section)
    if own:
        study.enqueue_trial(own, skip_if_exists=True)
    trials = []
    for number in range(section.trials):
        asked = study.ask()
        within = Within(whole=progress, stage="search", number=number, count=section.trials)
        trials.append(_trial(asked, recipe, section, prepared, within, keras))
        value = trials[-1].value
        state = optuna.trial.TrialState.PRUNED if value is None else optuna.trial.TrialState.COMPLETE
        study.tell(asked, value, state=state)
        said = "given up" if value is None else f"reached {value:.4g}"
        progress.step("search", (number + 1) * epochs, section.trials * epochs, f"{number + 1}: {said}")
    return Searched(recipe=_best(recipe, trials), trials=tuple(trials))


def changed(recipe: Recipe, settings: Mapping[str, Value]) -> Recipe:
    """The recipe with other values for some of its keys.

    Raises:
        RecipeError: It has no such key, or the value cannot stand there.
    """
    document: Any = encode(recipe)
    for key, value in settings.items():
        *groups, name = key.split(".")
        place = document
        for group in groups:
            place[group] = {} if place.get(group) is None else place[group]
            place = place[group]
            if not isinstance(place, dict):
                raise RecipeError(f"search.space: found {key}, but {group} has no keys of its own")
        place[name] = int(value) if isinstance(value, float) and value.is_integer() else value
    try:
        return decode(Recipe, document, unknown="refuse")
    except FieldError as exc:
        raise RecipeError(f"search.space: {exc}") from exc


def _trial(
    asked: Any,  # noqa: ANN401 - an optuna.Trial
    recipe: Recipe,
    section: SearchRecipe,
    prepared: Prepared,
    progress: Progress,
    keras: KerasProcess,
) -> Trial:
    settings = {key: _suggested(asked, key, space) for key, space in section.space.items()}
    made = changed(recipe, settings)
    if section.epochs is not None:
        made = dataclasses.replace(made, training=dataclasses.replace(made.training, epochs=section.epochs))
    given_up = []

    def is_hopeless(epoch: int, loss: float, accuracy: float | None) -> bool:
        asked.report(-loss if accuracy is None else accuracy, epoch)
        if asked.should_prune():
            given_up.append(epoch)
        return bool(given_up)

    parts = prepared.parts
    judged = tried(keras, made, prepared, parts.train, parts.profile, progress, Stage(watch=is_hopeless))
    return Trial(settings=settings, judged=None if given_up else judged)


def _suggested(asked: Any, key: str, space: SearchRange) -> Value:  # noqa: ANN401 - an optuna.Trial
    value: Value
    if space.choices:
        value = asked.suggest_categorical(key, list(space.choices))
    elif space.integer:
        value = asked.suggest_int(key, int(space.low or 0), int(space.high or 0), log=space.log)
    else:
        value = asked.suggest_float(key, space.low, space.high, log=space.log)
    return value


def _own(recipe: Recipe, section: SearchRecipe) -> dict[str, Value] | None:
    """The recipe's own values of the searched keys; None when one is outside of the space."""
    own: dict[str, Value] = {}
    for key, space in section.space.items():
        value: Any = encode(recipe)
        for name in key.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        is_inside = value in space.choices if space.choices else _is_between(value, space)
        if not is_inside:
            return None
        own[key] = value
    return own


def _is_between(value: object, space: SearchRange) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and (space.low or 0) <= value <= (space.high or 0)  # type: ignore[operator]


def _best(recipe: Recipe, trials: list[Trial]) -> Recipe:
    judged = [trial for trial in trials if trial.judged is not None]
    best = max(judged, key=lambda trial: (trial.judged.value, -trial.judged.loss) if trial.judged else (0.0, 0.0))
    return dataclasses.replace(changed(recipe, best.settings), search=None)


def _check(recipe: Recipe, section: SearchRecipe) -> None:
    if not section.space:
        raise RecipeError("search.space: found no keys, expected at least one, such as training.learning_rate")
    for key in section.space:
        if key.partition(".")[0] not in SECTIONS or "." not in key:
            raise RecipeError(f"search.space: found {key}, expected a key of one of the sections {', '.join(SECTIONS)}")
    if not recipe.training.epochs and section.epochs is None:
        raise RecipeError("search: found training.epochs 0, expected a network that is trained")
