"""The step of a build that makes the spiking form: what it makes, what it says, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converter.artifact import open_artifact
from converter.errors import GateError
from converter.keras_process.bench import Answer
from converter.measure import HeldOut
from converter.pipeline.converting import Candidate, Converted
from converter.pipeline.order import BuildOrder
from converter.pipeline.spiking import Lesson, Spiking, exit_margin, spiking
from converter.progress import SilentProgress
from converter.quantize.inspection import inspect
from converter.recipe import SpikingRecipe, load_recipe
from converter.recipe.spiking import SpikingTrainingRecipe
from converter.report.findings import QuantisationFound
from converter.spiking import forward
from converter.spiking.artifact import spiking_artifacts
from converter.spiking.calibration import calibrate
from converter.spiking.float_archive import to_npz
from converter.spiking.float_network import FloatNetwork, FloatNeurons, FloatReadout, FloatSynapses
from converter.spiking.input_codes import input_spec
from converter.spiking.integers import to_network
from edge_models.engines.spiking import SpikingEngine
from edge_models.preprocess import Preprocessor
from edge_models.quantize import quantize
from tests.factories.bundles import ASSETS, INPUT
from tests.factories.frames import digit_frames
from tests.unit.converter.fake_keras import FakeKeras

INT8, FLOAT = ((ASSETS / f"digits-{kind}.tflite").read_bytes() for kind in ("int8", "float"))
FRAMES, CLASSES = digit_frames(120, seed=5)
INPUTS = Preprocessor(INPUT).batch(FRAMES)
PART = HeldOut(inputs=INPUTS, y=np.asarray(CLASSES, np.int64), labels=tuple("0123456789"))


def nearest_means() -> FloatNetwork:
    """A network that knows the digits a little: similarity to the mean picture of each class."""
    size = INPUTS[0].size
    flat = INPUTS.reshape(len(INPUTS), size)
    means = np.stack([flat[PART.y == label].mean(axis=0) for label in range(10)], axis=1)
    means -= means.mean(axis=1, keepdims=True)
    hidden = FloatNeurons(
        name="means",
        shape=(1, 1, 10),
        synapses=(FloatSynapses(source=0, kind="dense", weight=means.astype(np.float32)),),
        bias=(-0.5 * (means**2).sum(axis=0)).astype(np.float32),
        ceiling=None,
    )
    weight = 8 * np.eye(10, dtype=np.float32)
    last = FloatReadout(
        name="logits",
        shape=(1, 1, 10),
        synapses=(FloatSynapses(source=1, kind="dense", weight=weight),),
        bias=np.zeros(10, np.float32),
    )
    return FloatNetwork(input_shape=(*INPUTS.shape[1:3], 1), nodes=(hidden, last))


class ReadableKeras(FakeKeras):
    """Holds one network that can be read."""

    def __init__(self, folder: Path) -> None:
        super().__init__(lambda _, x: forward.logits(nearest_means(), x))
        self._place = folder

    @property
    def folder(self) -> Path:
        return self._place

    def do(self, step: str, message: Any) -> Answer:
        if message.op == "extract_spiking":
            Path(message.result).write_bytes(to_npz(nearest_means()))
        return super().do(step, message)


def made(folder: Path, *allowed: str, is_blind: bool = False, **section: Any) -> Spiking:
    recipe = replace(load_recipe("digits"), spiking=SpikingRecipe(**section))
    order = BuildOrder(recipe=recipe, output=folder / "b", allowed=allowed, created="", is_blind=is_blind)
    given = Lesson(inputs=INPUTS[:0], y=PART.y[:0], calibration=INPUTS[:64])
    return spiking(order, ReadableKeras(folder), lambda _: given, others(), PART, SilentProgress(), None)


def others() -> Converted:
    """What the conversion before it has made."""
    runnable = open_artifact(INT8, inspect(INT8, "int8"), "int8", ("logits",))
    figures: Any = None  # the step does not look at them
    int8 = Candidate(mode="int8", runnable=runnable, figures=figures, verdicts=(), cautions=())
    return Converted(candidates=(int8,), float32=FLOAT, found=QuantisationFound(), warnings=())


def test_without_its_section_nothing_is_made(tmp_path: Path) -> None:
    order = BuildOrder(recipe=load_recipe("digits"), output=tmp_path, created="")
    never: Any = None

    found = spiking(order, ReadableKeras(tmp_path), never, others(), PART, SilentProgress(), None)

    assert (found.candidates, found.curves, found.study, found.warnings) == ((), (), None, ())


def test_both_forms_are_measured_alike_and_held_against_the_sections_gate(tmp_path: Path) -> None:
    found = made(tmp_path, drop=1.0)

    assert [one.mode for one in found.candidates] == ["spiking", "collapsed"]
    first, second = found.candidates
    assert first.figures.overall == second.figures.overall
    assert first.figures.confusion == second.figures.confusion
    assert first.figures.float_bytes == len(FLOAT)
    assert [(one.gate, one.limit, one.ok) for one in first.verdicts] == [("drop", 1.0, True)]
    assert second.verdicts == ()  # it is the same function, and one waiver would become two


def test_the_study_stands_beside_int8_but_not_in_a_retraining(tmp_path: Path) -> None:
    found = made(tmp_path, drop=1.0, levels=4).study

    assert found is not None
    assert (found.coding, found.levels) == ("atf", 4)
    assert made(tmp_path, drop=1.0, levels=4, is_blind=True).study is None


def test_a_loss_above_the_gate_refuses_the_bundle_with_what_would_help(tmp_path: Path) -> None:
    with pytest.raises(GateError, match=r"^spiking: drop: the artifact loses .* fine-tune it with section spiking\."):
        made(tmp_path, drop=0.0, levels=1, is_blind=True)


def test_of_plain_spikes_a_loss_asks_for_more_steps(tmp_path: Path) -> None:
    with pytest.raises(GateError, match=r"section spiking\.training, or take more spiking\.steps than 1$"):
        made(tmp_path, drop=0.0, coding="if", levels=15, steps=1, is_blind=True)


def test_a_loss_that_was_allowed_is_written_down(tmp_path: Path) -> None:
    (verdict,) = made(tmp_path, "drop", drop=0.0, levels=1, is_blind=True).candidates[0].verdicts

    assert (verdict.ok, verdict.waived) == (False, True)


@pytest.mark.parametrize("section", [{"collapsed": False}, {"coding": "if", "levels": 4}])
def test_there_is_no_graph_where_none_was_asked_for(tmp_path: Path, section: dict[str, Any]) -> None:
    found = made(tmp_path, drop=1.0, is_blind=True, **section)

    assert [one.mode for one in found.candidates] == ["spiking"]
    assert found.candidates[0].runnable.artifact.collapsed is None
    assert found.warnings == ()


def test_radix_is_the_same_function_as_counts(tmp_path: Path) -> None:
    counts = made(tmp_path, drop=1.0, levels=15, is_blind=True).candidates[0]
    planes = made(tmp_path, drop=1.0, levels=15, coding="radix", is_blind=True).candidates[0]

    assert planes.runnable.artifact.coding == "radix"
    assert planes.figures.overall == counts.figures.overall


def test_an_early_exit_is_chosen_on_training_examples_and_becomes_the_artifacts(tmp_path: Path) -> None:
    section = SpikingRecipe(coding="if", levels=8, surrogate=SpikingTrainingRecipe(), early_exit=0.05)
    ready = calibrate(nearest_means(), INPUTS, coding="if", levels=8, rng=np.random.default_rng(0))
    network = to_network(ready, coding="if", steps=8, input=input_spec(INPUTS), levels=8)
    given = Lesson(inputs=INPUTS, y=PART.y, calibration=INPUTS[:64])

    margin = exit_margin(section, network, given)
    (whole,), (some,) = spiking_artifacts(network, None), spiking_artifacts(network, None, margin)

    assert some.artifact.exit_margin == margin
    codes = quantize(INPUTS, replace(network.input, shape=INPUTS.shape))
    right = [np.mean([one.engine.run(x)["logits"].argmax() for x in codes] == PART.y) for one in (whole, some)]
    assert right[1] >= right[0] - 0.05
    assert isinstance(some.engine, SpikingEngine)
    assert some.engine.mean_steps < 8
