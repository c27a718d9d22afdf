"""Which of several ways to fit the data the model was trained with: the one that explains a few of the labels best.

Accuracy alone cannot tell: a network without biases answers the same whatever its input is multiplied with, only more
or less surely. Being sure of wrong answers costs likelihood.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from converter.datasets.split import stratified
from converter.errors import DatasetError
from converter.evaluate import examples_of
from converter.measure import HeldOut
from converter.measure.running import loaded, outputs_of
from converter.progress import Progress, SilentProgress
from converter.wrap.examples import Labelled
from converter.wrap.fitting import Fit
from converter.wrap.model import ForeignModel
from edge_models.signals import anomaly_scores, softmax

_TRIED = 200  # examples
_LEAST_SHARE = 1e-6  # a probability of 0 in uint8 may be anything below 1/256
_SILENT = SilentProgress()


def best_fit(
    found: Sequence[Fit], model: ForeignModel, data: Labelled, labels: tuple[str, ...], seed: int, progress: Progress
) -> Fit:
    """The only way, or the one that a few of the labels speak for; what was tried is said.

    Args:
        found: The ways.
        model: Answers.
        data: All examples.
        labels: Of the model.
        seed: Of the choice of examples.
        progress: Told after each way.
    """
    if len(found) == 1:
        return found[0]
    few = data.take(stratified(data.y, _TRIED, seed))
    reached, shown = [], []
    for number, fit in enumerate(found):
        part = part_of(fit, few, labels)
        with loaded(model.data) as runner:
            outputs = outputs_of(runner, part.inputs, model.answer, "fit", _SILENT)
        reached.append(_evidence(model, outputs, part))
        shown.append("" if model.role == "reconstruction" else f"{(outputs.argmax(axis=1) == part.y).mean():.3f}")
        progress.step("fit", number + 1, len(found), f"{fit.said}: {shown[-1] or f'{reached[-1]:.3g}'}")
    best = found[int(np.argmax(reached))]
    figures = f", accuracy {', '.join(shown)}" if shown[0] else ""
    return replace(best, said=f"{best.said} (the best of {len(found)} ways on {len(few.y)} examples{figures})")


def part_of(fit: Fit, data: Labelled, labels: tuple[str, ...]) -> HeldOut:
    """The examples as inputs of the model.

    Raises:
        DatasetError: They cannot become such.
    """
    try:
        inputs, y, group = examples_of(fit.spec, data.x, data.y, data.group)
    except DatasetError as exc:
        raise DatasetError(f"{data.where}: {exc}") from exc
    return HeldOut(inputs=inputs, y=y, labels=labels, group=group, group_names=data.group_names)


def _evidence(model: ForeignModel, outputs: NDArray[np.float32], part: HeldOut) -> float:
    """The higher the better: mean log-likelihood of the labels, or how much of the normal inputs is restored."""
    if model.role == "reconstruction":
        normal = part.y == 0
        inputs = part.inputs[normal]
        return -float(anomaly_scores(inputs, outputs[normal]).mean() / max(float(inputs.var()), _LEAST_SHARE))
    return likelihood(softmax(outputs) if model.role == "logits" else outputs, part.y)


def likelihood(shares: NDArray[np.floating], y: NDArray[np.int64]) -> float:
    """Mean logarithm of the probability (n, classes) that was given to the class (n,) of each example.

    Examples:
        >>> round(likelihood(np.array([[0.5, 0.5], [0.1, 0.9]]), np.array([0, 1])), 3)
        -0.399
    """
    return float(np.log(np.maximum(shares[np.arange(len(y)), y], _LEAST_SHARE)).mean())
