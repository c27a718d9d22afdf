"""Figures of a classification by class and by group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from converter.measure.figures import ClassFigures
from converter.measure.proportion import wilson

MAX_CONFUSION_CLASSES = 64  # more make a picture that nobody can read and a report that is mostly zeros

Integers = NDArray[np.int64]


def confusion_matrix(y: Integers, predicted: Integers, classes: int) -> Integers:
    """Counts (classes, classes): rows the true class, columns the answer.

    Examples:
        >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
        [[1, 1], [0, 1]]
    """
    return np.bincount(y * classes + predicted, minlength=classes**2).reshape(classes, classes)


def class_figures(
    confusion: Integers, float_confusion: Integers | None, labels: Sequence[str]
) -> tuple[ClassFigures, ...]:
    """Recall and precision of each class from the artifact's and the float32 file's confusion."""
    found = []
    for number, label in enumerate(labels):
        hits, n, answers = (
            int(confusion[number, number]),
            int(confusion[number].sum()),
            int(confusion[:, number].sum()),
        )
        exact = None if float_confusion is None or not n else float(float_confusion[number, number]) / n
        found.append(
            ClassFigures(
                label=label,
                n=n,
                recall=wilson(hits, n) if n else None,
                precision=wilson(hits, answers) if answers else None,
                float_recall=exact,
            )
        )
    return tuple(found)
