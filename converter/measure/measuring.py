"""Measure one artifact: its exact bytes and those of its float32 reference on the same held-out examples."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from converter.errors import DatasetError
from converter.measure.anomaly import score_histogram
from converter.measure.auc import compare_auc
from converter.measure.classes import MAX_CONFUSION_CLASSES, class_figures, confusion_matrix
from converter.measure.fidelity import largest_difference, sqnr_db
from converter.measure.figures import Comparison, Figures, GroupFigures
from converter.measure.proportion import compare_accuracy
from converter.measure.running import latency, loaded, outputs_of, running
from converter.progress import Progress, SilentProgress
from edge_models.engines.port import Engine
from edge_models.signals import anomaly_scores

Task = Literal["classification", "anomaly"]
Integers = NDArray[np.int64]
Floats = NDArray[np.float32]
_Compare = Callable[[NDArray[np.bool_]], Comparison | None]
_SILENT = SilentProgress()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeldOut:
    """Examples that nothing was learnt from.

    Attributes:
        inputs: Preprocessed, (n, ...) float32.
        y: Class of each, (n,); for anomaly 0 normal and 1 anomalous.
        labels: Names of the classes.
        group: Group of each, (n,), or None.
        group_names: Names of the groups; their numbers when empty.
    """

    inputs: Floats
    y: Integers
    labels: tuple[str, ...]
    group: Integers | None = None
    group_names: tuple[str, ...] = ()


def measure(
    artifact: bytes,
    float32: bytes | None,
    part: HeldOut,
    *,
    task: Task,
    keras_outputs: Floats | None,
    rng: np.random.Generator,
    clock: Callable[[], float] | None,
    engine: Engine | None = None,
    output: int = 0,
    progress: Progress = _SILENT,
) -> Figures:
    """Run both files over the test part on the runtime here and compare them.

    Args:
        artifact: The file that devices get.
        float32: The float32 file of the same model; None where there is none, as for a wrapped model.
        part: What to measure on.
        task: Decides the metric: accuracy of the largest output, or AUC of the mean squared reconstruction error.
        keras_outputs: What Keras gives for the first inputs, (m, k); None without Keras.
        rng: For the bootstrap.
        clock: Seconds, for the latency; None leaves it out.
        engine: Runs the artifact; None for a .tflite file, which is then loaded here.
        output: Number of the artifact's output that carries the answer, and of the float32 file's.
        progress: Told now and then.

    Raises:
        DatasetError: No examples, or labels that the task does not have.
        ConversionError: Outputs that are not finite, or inputs that do not fit.
        UnsupportedArtifactError: The runtime refuses a file.
    """
    _check(part, task)
    with ExitStack() as stack:
        model = stack.enter_context(loaded(artifact) if engine is None else nullcontext(running(engine)))
        reference = None if float32 is None else stack.enter_context(loaded(float32))
        given = outputs_of(model, part.inputs, output, "artifact", progress)
        exact = None if reference is None else outputs_of(reference, part.inputs, output, "float32", progress)
        timed = None if clock is None else latency(model, reference, part.inputs, clock)
    answered = _classified if task == "classification" else _scored
    return replace(
        answered(part, given, exact, rng),
        sqnr_db=None if exact is None else sqnr_db(exact, given),
        float_difference=None
        if keras_outputs is None or exact is None
        else largest_difference(keras_outputs, exact, relative=task == "anomaly"),
        size_bytes=len(artifact),
        float_bytes=None if float32 is None else len(float32),
        latency=timed,
    )


def _check(part: HeldOut, task: Task) -> None:
    classes = 2 if task == "anomaly" else len(part.labels)
    if not len(part.y):
        raise DatasetError("the test part has no examples, so nothing can be measured; raise dataset.test")
    if not 0 <= int(part.y.min()) <= int(part.y.max()) < classes:
        raise DatasetError(
            f"found labels {part.y.min()} to {part.y.max()} in the test part, expected 0 to {classes - 1}"
        )
    if task == "anomaly" and len(np.unique(part.y)) < 2:
        kind = "normal" if part.y[0] == 0 else "anomalous"
        raise DatasetError(f"found only {kind} examples in the test part, expected both kinds to measure AUC")


def _classified(part: HeldOut, given: Floats, exact: Floats | None, rng: np.random.Generator) -> Figures:
    """Accuracy, by group and by class."""
    predicted = given.argmax(axis=1)
    float_predicted = None if exact is None else exact.argmax(axis=1)
    right = predicted == part.y
    float_right = None if float_predicted is None else float_predicted == part.y

    def compare(chosen: NDArray[np.bool_]) -> Comparison:
        return compare_accuracy(right[chosen], None if float_right is None else float_right[chosen], rng)

    classes = max(len(part.labels), given.shape[1])
    names = (*part.labels, *(str(number) for number in range(len(part.labels), classes)))
    confusion = confusion_matrix(part.y, predicted, classes)
    float_confusion = None if float_predicted is None else confusion_matrix(part.y, float_predicted, classes)
    return Figures(
        metric="accuracy",
        n=len(part.y),
        overall=compare(np.ones(len(part.y), np.bool_)),
        lost=None if float_right is None else int((float_right & ~right).sum()),
        won=None if float_right is None else int((right & ~float_right).sum()),
        groups=_by_group(part, compare),
        classes=class_figures(confusion, float_confusion, names),
        confusion=tuple(map(tuple, confusion.tolist())) if classes <= MAX_CONFUSION_CLASSES else (),
        agreement=None if float_predicted is None else float((predicted == float_predicted).mean()),
        size_bytes=0,
    )


def _scored(part: HeldOut, given: Floats, exact: Floats | None, rng: np.random.Generator) -> Figures:
    """AUC, and by group where a group has both kinds of examples."""
    scores = anomaly_scores(part.inputs, given)
    float_scores = None if exact is None else anomaly_scores(part.inputs, exact)

    def compare(chosen: NDArray[np.bool_]) -> Comparison | None:
        y = part.y[chosen]
        if len(np.unique(y)) < 2:
            return None
        return compare_auc(scores[chosen], None if float_scores is None else float_scores[chosen], y, rng)

    return Figures(
        metric="auc",
        n=len(part.y),
        overall=compare_auc(scores, float_scores, part.y, rng),
        groups=_by_group(part, compare),
        scores=score_histogram(scores, float_scores, part.y),
        size_bytes=0,
    )


def _by_group(part: HeldOut, compare: _Compare) -> tuple[GroupFigures, ...]:
    if part.group is None:
        return ()
    found = []
    for number in np.unique(part.group).tolist():
        chosen = part.group == number
        overall = compare(chosen)
        name = part.group_names[number] if 0 <= number < len(part.group_names) else str(number)
        if overall is not None:
            found.append(GroupFigures(name=name, n=int(chosen.sum()), overall=overall))
    return tuple(found)
