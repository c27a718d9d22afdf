"""From a trained model to its spiking form: thresholds, integers, and the same measurement as every other artifact."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from converter.artifact import Runnable
from converter.cautions import cautions
from converter.errors import ConversionError, GateError
from converter.gates import Hints, Verdict, judge
from converter.keras_process.process import KerasProcess
from converter.measure import HeldOut, measure
from converter.pipeline.converting import Candidate, Converted, in_words
from converter.pipeline.order import BuildOrder
from converter.progress import Progress
from converter.recipe import GatesRecipe, SpikingRecipe
from converter.report.findings import CurveFound
from converter.spiking.artifact import SPIKING, check_equal, spiking_artifacts
from converter.spiking.calibration import calibrate
from converter.spiking.collapsed import collapsed_graph
from converter.spiking.early_exit import early_exits, margin_within
from converter.spiking.extract import extract
from converter.spiking.float_network import FloatNetwork
from converter.spiking.input_codes import input_spec
from converter.spiking.integers import to_network
from converter.spiking.study import SpikingStudy, codes, study
from converter.training.spiking import fine_tune, surrogate
from edge_models.spiking.network import Network, Neurons
from edge_models.tensors import TensorSpec

_EXIT_EXAMPLES = 2000
_COMPARED = 200  # test inputs that all forms answer


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lesson:
    """What thresholds are learnt from.

    Attributes:
        inputs: Preprocessed training inputs (n, ...), float32.
        y: Their classes, (n,).
        calibration: Inputs (m, ...) that thresholds and biases are set on without training.
    """

    inputs: NDArray[np.float32]
    y: NDArray[np.int64]
    calibration: NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spiking:
    """The spiking form of a model.

    Attributes:
        candidates: ``spiking``, and ``collapsed`` where there is that form; empty without the recipe's section.
        curves: Of the fine-tunings.
        study: What else is told of it; None for a retraining.
        warnings: What the user should know.
    """

    candidates: tuple[Candidate, ...] = ()
    curves: tuple[CurveFound, ...] = ()
    study: SpikingStudy | None = None
    warnings: tuple[str, ...] = ()


def spiking(
    order: BuildOrder,
    keras: KerasProcess,
    lesson: Callable[[SpikingRecipe], Lesson],
    converted: Converted,
    part: HeldOut,
    progress: Progress,
    clock: Callable[[], float] | None,
) -> Spiking:
    """Fine-tune or calibrate, turn into integers, measure and judge.

    Args:
        order: Recipe and allowed gates; without section ``spiking`` nothing is done.
        keras: Holds the trained model, which stays as it is.
        lesson: Makes what thresholds are learnt from.
        converted: The other forms, with the float32 file that artifacts are measured against.
        part: The test part.
        progress: Told of each step.
        clock: Seconds, for the latency.

    Raises:
        ModelError: A layer has no form in spikes, or its integers leave their range.
        GateError: The spiking form loses more than the section allows.
    """
    section = order.recipe.spiking
    if section is None:
        return Spiking()
    given = lesson(section)
    learnt = _learnt(section, order.recipe.training.seed, keras, given, progress)
    network, graph, warnings = _integers(section, learnt, progress)
    if section.early_exit is not None:
        progress.step("early exit", 0, 1, "choosing when a frame is decided")
    runnables = spiking_artifacts(network, graph, exit_margin(section, network, given))
    check_equal(runnables, part.inputs[:_COMPARED])
    candidates = tuple(
        _measured(runnable, order, section, converted.float32, part, progress, clock) for runnable in runnables
    )
    _check_gates(candidates[0].verdicts)
    return Spiking(
        candidates=candidates,
        curves=learnt.curves,
        study=None if order.is_again else _studied(network, converted, part, order.recipe.training.seed, progress),
        warnings=warnings,
    )


def _studied(network: Network, converted: Converted, part: HeldOut, seed: int, progress: Progress) -> SpikingStudy:
    """Operations, energy and faults, beside the int8 file where there is one; a retraining does without."""
    int8 = next((one.runnable.data for one in converted.candidates if one.mode == "int8"), None)
    return study(network, part.inputs, part.y, int8=int8, seed=seed, progress=progress)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Learnt:
    """A network with its ceilings, the codes of its input, and how its training went."""

    network: FloatNetwork
    input: TensorSpec
    curves: tuple[CurveFound, ...]


def _learnt(section: SpikingRecipe, seed: int, keras: KerasProcess, lesson: Lesson, progress: Progress) -> _Learnt:
    curves: list[CurveFound] = []
    if section.training is None:
        network = calibrate(
            extract(keras, max_pooling=section.max_pooling),
            lesson.calibration,
            coding=section.coding,
            levels=section.timesteps if section.coding == "if" else section.levels,
            rng=np.random.default_rng(seed),
            progress=progress,
        )
    else:
        network, curve = fine_tune(keras, section, lesson.inputs, lesson.y, progress, seed=seed)
        curves.append(CurveFound(stage="spiking", loss=curve.loss))
    if section.surrogate is not None:
        network, curve = surrogate(keras, section, network, lesson.inputs, lesson.y, progress, seed=seed)
        curves.append(CurveFound(stage="surrogate", loss=curve.loss))
    return _Learnt(network=network, input=input_spec(lesson.calibration), curves=tuple(curves))


def _integers(
    section: SpikingRecipe, learnt: _Learnt, progress: Progress
) -> tuple[Network, bytes | None, tuple[str, ...]]:
    """The network, its collapsed graph, and why there is none where one was asked for."""
    progress.step("spikes", 0, 1)
    network = to_network(
        learnt.network, coding=section.coding, steps=section.timesteps, input=learnt.input, levels=section.levels
    )
    neurons = sum(math.prod(node.shape) for node in network.nodes if isinstance(node, Neurons))
    progress.step("spikes", 1, 1, f"{network.coding}, {network.levels} levels, {neurons} neurons")
    if not section.collapsed or section.coding == "if":
        return network, None, ()
    try:
        return network, collapsed_graph(network), ()
    except ConversionError as exc:
        return network, None, (f"devices run the C kernel or numpy, with the same answers: {exc}",)


def exit_margin(section: SpikingRecipe, network: Network, lesson: Lesson) -> int | None:
    """When a frame counts as decided, chosen on training examples; None where the section asks for all steps."""
    if section.early_exit is None:
        return None
    x = codes(network, lesson.inputs[:_EXIT_EXAMPLES])
    return margin_within(early_exits(network, x, lesson.y[:_EXIT_EXAMPLES]), section.early_exit)


def _measured(
    runnable: Runnable,
    order: BuildOrder,
    section: SpikingRecipe,
    float32: bytes,
    part: HeldOut,
    progress: Progress,
    clock: Callable[[], float] | None,
) -> Candidate:
    """One form with its figures, and with its verdict unless it is the same function as one that has it."""
    progress.step(f"measure {runnable.name}", 0, 1)
    figures = measure(
        runnable.data,
        float32,
        part,
        task="classification",
        keras_outputs=None,
        rng=np.random.default_rng(order.recipe.training.seed),
        clock=clock,
        engine=runnable.engine,
        progress=progress,
    )
    progress.step(f"measure {runnable.name}", 1, 1, in_words(figures, runnable.name))
    if section.training is not None:  # it is no longer a rounding of the float32 net, so its noise means nothing
        figures = dataclasses.replace(figures, sqnr_db=None)
    if runnable.name != SPIKING:  # the same function: what is said of that holds here
        return Candidate(mode=runnable.name, runnable=runnable, figures=figures, verdicts=(), cautions=())
    gates = GatesRecipe(drop=section.drop, drop_examples=0, group_drop=1.0)
    verdicts = judge(figures, gates, order.allowed, Hints(finer=_finer(section)))
    return Candidate(
        mode=runnable.name,
        runnable=runnable,
        figures=figures,
        verdicts=tuple(verdict for verdict in verdicts if verdict.gate == "drop"),
        cautions=cautions(figures, gates),
    )


def _finer(section: SpikingRecipe) -> str:
    more = f"levels than {section.levels}" if section.coding != "if" else f"spiking.steps than {section.timesteps}"
    if section.training is None:
        return f"fine-tune it with section spiking.training, or take more {more}"
    return f"take more {more}, or more spiking.training.steps than {section.training.steps}; spiking.drop is the gate"


def _check_gates(verdicts: Sequence[Verdict]) -> None:
    missed = [verdict.text for verdict in verdicts if not verdict.ok and not verdict.waived]
    if missed:
        raise GateError(f"spiking: {' | '.join(missed)}")
