"""Who a sketch belongs to, what is refused, and what both arms of a comparison have in common."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from converter.corruptions import Corruption, corrupt, from_unit, settings, to_unit
from converter.errors import RequestError
from converter.progress import SilentProgress
from converter.recipe import CnnRecipe, DatasetRecipe, Recipe, RetrainRecipe
from converter.request import Retraining, Samples
from converter.retraining import MIN_EPOCH, Plan, blind_plan, retraining_plan
from edge_models.manifest import InputSpec, ScaleStep
from edge_models.preprocess import Preprocessor
from edge_models.profile import Profile, build_profile
from edge_models.signals import input_signal_names, input_signals_batch
from edge_models.sketch import Sketch
from edge_models.tensors import TensorSpec
from tests.unit.converter.glyphs import SIDE, glyphs

RANGE = (0.0, 255.0)
SPEC = InputSpec(
    kind="image", source=TensorSpec(shape=(SIDE, SIDE), dtype="uint8"), preprocess=(ScaleStep(factor=1 / 255),)
)
RECIPE = Recipe(
    name="glyphs",
    model="glyphs",
    dataset=DatasetRecipe(source="npz:glyphs.npz"),
    network=CnnRecipe(),
    retrain=RetrainRecipe(search=40),
)
NOTHING = Retraining(sketches=(), profile=None, samples=None, devices=())


def frames(count: int, seed: int, drift: Corruption | None = None) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    images, labels = glyphs(count, seed)
    if drift is not None:
        images = corrupt(images, settings(drift, count), np.random.default_rng(seed))
    return from_unit(images, np.zeros((0, SIDE, SIDE), np.uint8), RANGE), labels


X, Y = frames(200, 1)


def signals(x: NDArray[np.uint8]) -> NDArray[np.float64]:
    return input_signals_batch("image", Preprocessor(SPEC).batch(x))


def profile() -> Profile:
    return build_profile(input_signal_names("image", (SIDE, SIDE, 1)), signals(X), Y, 4)


def sketch(x: NDArray[np.uint8], reference: Profile) -> Sketch:
    found = Sketch.of(reference)
    found.add_batch(reference.bins(signals(x)), np.zeros(len(x), np.int64))
    return found


def samples(*devices: tuple[NDArray[np.uint8], NDArray[np.int64]]) -> Samples:
    group = np.repeat(np.arange(len(devices)), [len(x) for x, _ in devices])
    return Samples(x=np.concatenate([x for x, _ in devices]), y=np.concatenate([y for _, y in devices]), group=group)


def planned(retraining: Retraining, recipe: Recipe = RECIPE) -> Plan:
    return retraining_plan(X, Y, retraining, recipe, SPEC, SilentProgress())


def test_both_arms_see_equally_many_examples() -> None:
    informed = planned(replace(NOTHING, samples=samples(frames(60, 2, Corruption(white=0.3)))))
    blind = blind_plan(X, Y, RECIPE)

    counts = [len(plan.epochs(0, np.random.default_rng(0))[1]) for plan in (informed, blind)]
    assert counts == [MIN_EPOCH, MIN_EPOCH]


def test_blind_arm_sees_original_frames_only() -> None:
    x, y, _ = blind_plan(X, Y, RECIPE).epochs(0, np.random.default_rng(0))

    originals = {frame.tobytes() for frame in X}
    assert all(frame.tobytes() in originals for frame in x[:200])
    assert set(y.tolist()) == {0, 1, 2, 3}


def test_sketch_joins_the_samples_that_it_resembles() -> None:
    reference = profile()
    dark, inverted = Corruption(white=0.3), Corruption(black=1, white=0)
    retraining = Retraining(
        sketches=(sketch(frames(90, 5, inverted)[0], reference), sketch(frames(90, 6, dark)[0], reference)),
        profile=reference,
        samples=samples(frames(60, 2, dark), frames(60, 3, inverted)),
        devices=("pi-1", "pi-2"),
    )

    findings = planned(retraining).findings

    assert [finding["samples"] for finding in findings] == [60, 60]  # no third device of a sketch alone
    assert findings[1]["lookalike"]["black"] > findings[1]["lookalike"].get("white", 1)


def test_sketch_of_a_device_without_samples_is_learnt_from_too() -> None:
    reference = profile()
    retraining = Retraining(
        sketches=(sketch(frames(90, 5, Corruption(black=1, white=0))[0], reference),),
        profile=reference,
        samples=samples(frames(60, 2, Corruption(white=0.3))),
        devices=("pi-1", "pi-2"),
    )

    assert [finding["samples"] for finding in planned(retraining).findings] == [60, 0]


def test_drifted_frames_appear_in_the_mix() -> None:
    plan = planned(replace(NOTHING, samples=samples(frames(60, 2, Corruption(black=1, white=0)))))

    x, _, _ = plan.epochs(0, np.random.default_rng(0))

    bright = (to_unit(x, RANGE).mean(axis=(1, 2, 3)) > 0.5).mean()
    assert 0.5 < bright < 0.7


@pytest.mark.parametrize("shape", [(30, SIDE, SIDE + 1), (30, SIDE, SIDE, 3)])
def test_samples_of_another_camera_are_refused(shape: tuple[int, ...]) -> None:
    foreign = Samples(x=np.zeros(shape, np.uint8), y=np.zeros(30, np.int64), group=np.zeros(30, np.int64))

    with pytest.raises(RequestError, match=r"--samples: found frames uint8.* expected uint8\[20, 20\]"):
        planned(replace(NOTHING, samples=foreign))


def test_samples_of_unknown_classes_are_refused() -> None:
    x, y = frames(40, 2)

    with pytest.raises(RequestError, match="--samples: found labels 0 to 7, expected 0 to 3"):
        planned(replace(NOTHING, samples=samples((x, y + np.where(y == 3, 4, 0)))))


def test_search_can_be_switched_off() -> None:
    without = replace(RECIPE, retrain=RetrainRecipe(search=0))

    findings = planned(replace(NOTHING, samples=samples(frames(60, 2, Corruption(white=0.3)))), without).findings

    assert findings == ({"samples": 60, "lookalike": {}, "instead": [], "pixel_map": False, "distance": 1.0},)


def test_anomalous_samples_are_not_learnt_to_be_restored() -> None:
    """Class 1 is what is not normal; all that is trained on is of class 0."""
    x, y = frames(40, seed=1)
    odd, _ = frames(30, seed=2, drift=Corruption(gamma=3))
    delivered = (odd, np.arange(30) % 2)
    recipe = replace(RECIPE, task="anomaly", retrain=replace(RECIPE.retrain, search=0))
    retraining = Retraining(sketches=(), profile=None, samples=samples(delivered), devices=())

    plan = retraining_plan(x, np.zeros(len(y), np.int64), retraining, recipe, SPEC, SilentProgress())

    _, classes, _ = plan.epochs(0, np.random.default_rng(0))
    assert set(classes.tolist()) == {0}
    assert plan.findings[0]["samples"] == 15
