"""Arms that learn from the same few labels, seed by seed; their nets are kept from run to run."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from converter.datasets.split import few_of_each
from converter.keras_process.process import KerasProcess
from converter.labels import Arm, artifact_accuracy, learnt
from converter.preparation import Prepared
from converter.recipe import Recipe, TrainingRecipe
from edge_models.fields import canonical_json
from tests.benchmarks.conversion.paired import Paired, paired
from tests.benchmarks.conversion.place import Place
from tests.benchmarks.harness import Row, Value

SEEDS = (1, 2, 3, 4, 5)
TUNED_ON = (101, 102)  # labels that the rates are chosen with are not those that are measured
EPOCHS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidates:
    """One arm before its values are chosen.

    Attributes:
        name: For the table.
        recipe: Network, input and augmentation.
        trainings: Values to choose from, on the validation part.
        updates: Steps of a training.
        per_class: Labels of each class.
        arm: Start and part; its training is replaced.
    """

    name: str
    recipe: Recipe
    trainings: tuple[TrainingRecipe, ...]
    updates: int
    arm: Arm
    per_class: int = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Reached:
    """What an arm has reached with its best values.

    Attributes:
        name: For the table.
        training: What was chosen.
        validation: Mean accuracy that it was chosen for.
        test: Accuracy of the int8 artifact for each seed.
    """

    name: str
    training: TrainingRecipe
    validation: float
    test: tuple[float, ...]

    @property
    def row(self) -> Row:
        """The line of the table."""
        chosen = f"rate {self.training.learning_rate:g}, l2 {self.training.l2:g}"
        values = " ".join(f"{100 * value:.1f}" for value in self.test)
        return Row(
            name=self.name,
            values={
                "metric": "accuracy",
                "int8": round(statistics.fmean(self.test), 4),
                "seeds": values,
                "validation": round(self.validation, 4),
                "chosen": chosen,
            },
        )


def reached(keras: KerasProcess, candidates: Candidates, prepared: Prepared, place: Place) -> Reached:
    """Choose the values on the validation part, then learn once for each seed."""
    chosen, validation = _chosen(keras, candidates, prepared, place)
    test = []
    for seed in SEEDS:
        arm = dataclasses.replace(candidates.arm, training=dataclasses.replace(chosen, seed=seed))
        net = place.net("few-labels", _digest(candidates, arm))
        if net.exists():
            keras.load(net, prepared.preprocess.output_shape, len(prepared.data.labels), seed=seed)
        else:
            _learn(keras, candidates, prepared, arm)
            keras.save(net)
        test.append(artifact_accuracy(keras, candidates.recipe, prepared))
        sys.stderr.write(f"{candidates.name}, seed {seed}: {test[-1]:.4f}\n")
    return Reached(name=candidates.name, training=chosen, validation=validation, test=tuple(test))


def difference(better: Reached, base: Reached) -> tuple[Row, Paired]:
    """What one arm has more than the other, in points."""
    found = paired(better.test, base.test)
    values: dict[str, Value] = {
        "int8": round(100 * found.mean, 2),
        "seeds": f"{100 * found.low:.2f}..{100 * found.high:.2f}",
    }
    return Row(name=f"{better.name} minus {base.name}, pt and 95 %", values=values), found


def _chosen(
    keras: KerasProcess, candidates: Candidates, prepared: Prepared, place: Place
) -> tuple[TrainingRecipe, float]:
    """The training that is best on the validation part, on average over two draws of labels."""
    found: list[tuple[float, TrainingRecipe]] = []
    for training in candidates.trainings:
        arms = [
            dataclasses.replace(candidates.arm, training=dataclasses.replace(training, seed=seed)) for seed in TUNED_ON
        ]
        found.append((statistics.fmean(_validated(keras, candidates, prepared, arms, place)), training))
    validation, best = max(found, key=lambda one: one[0])
    return best, validation


def _validated(
    keras: KerasProcess, candidates: Candidates, prepared: Prepared, arms: Sequence[Arm], place: Place
) -> list[float]:
    values = []
    for arm in arms:
        kept = place.net("few-labels-tried", _digest(candidates, arm)).with_suffix(".json")
        if not kept.exists():
            value = _learn(keras, candidates, prepared, arm)
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(json.dumps(value))
        values.append(float(json.loads(kept.read_text())))
        sys.stderr.write(f"{candidates.name}, {arm.training.learning_rate:g}, {arm.training.l2:g}: {values[-1]:.4f}\n")
    return values


def _learn(keras: KerasProcess, candidates: Candidates, prepared: Prepared, arm: Arm) -> float:
    train = prepared.parts.train
    labelled = train[few_of_each(prepared.data.y[train], candidates.per_class, arm.training.seed)]
    return learnt(*(keras, candidates.recipe, prepared, labelled, arm), steps=candidates.updates // arm.training.epochs)


def _digest(candidates: Candidates, arm: Arm) -> str:
    """Of everything that decides what is learnt; a start that was learnt before has its digest in its name."""
    start = b"" if arm.start is None else arm.start.name.encode()
    said = candidates.recipe.sha256.encode() + canonical_json(arm.training) + start + arm.part.encode()
    return hashlib.sha256(said + f"{candidates.updates} {candidates.per_class}".encode()).hexdigest()


def start_of(place: Place, name: str, recipe: Recipe) -> Path:
    """Where the net that an arm starts from is kept."""
    return place.net(name, recipe.sha256)
