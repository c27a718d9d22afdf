"""Cut recordings of rows into windows, as a device that receives one row after the other does.

With a window step a data set is a recording: ``x`` (n, columns) in the order of time. One example is then a whole
window, so that no split, shuffle or subset can tear it apart.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_models.errors import InputError
from edge_models.manifest import InputSpec, WindowStep
from edge_models.preprocess import Preprocessor

Integers = NDArray[np.int64]


def window_step(spec: InputSpec) -> WindowStep | None:
    """The window step of an input, or None."""
    return next((step for step in spec.preprocess if isinstance(step, WindowStep)), None)


def cut(
    window: WindowStep, x: NDArray[Any], y: Integers, group: Integers | None
) -> tuple[NDArray[Any], Integers, Integers | None]:
    """Windows (m, length, ...) of n rows, with the class and the group of the last row of each.

    No window reaches from one group into another; m may be 0.

    Examples:
        >>> step = WindowStep(length=2, stride=1)
        >>> x, y, _ = cut(step, np.arange(4).reshape(4, 1), np.array([0, 0, 1, 1]), np.array([7, 7, 7, 8]))
        >>> x[..., 0].tolist(), y.tolist()
        ([[0, 1], [1, 2]], [0, 1])
    """
    rows = window_rows(window, len(x), group)
    last_rows = rows[:, -1]
    return x[rows], y[last_rows], None if group is None else group[last_rows]


def window_rows(window: WindowStep, n: int, *keys: NDArray[Any] | None) -> NDArray[np.intp]:
    """Indices of the rows of each window, (m, length), of n rows; no window reaches over a change of a key (n,)."""
    changes = [np.flatnonzero(np.diff(key)) + 1 for key in keys if key is not None]
    borders = sorted({0, n, *(int(border) for change in changes for border in change)})
    starts = [np.arange(first, last - window.length + 1, window.stride) for first, last in itertools.pairwise(borders)]
    first_rows = np.concatenate([np.zeros(0, np.intp), *starts]).astype(np.intp)
    return np.asarray(first_rows[:, None] + np.arange(window.length))


class ExampleInputs:
    """Turns examples into model inputs with the steps that the device executes on its frames.

    Args:
        spec: What the device is told; frames are rows where it has a window step, and examples whole windows.

    Raises:
        ManifestError: The steps do not fit each other.

    Attributes:
        output_shape: Shape of one input.
    """

    def __init__(self, spec: InputSpec) -> None:
        window = window_step(spec)
        self._frame = spec.source.shape
        self._example = self._frame if window is None else (window.length, *self._frame)
        # Windows laid end to end, each beginning where the last one ended, come out as they went in.
        steps = (
            replace(step, stride=step.length) if isinstance(step, WindowStep) else step for step in spec.preprocess
        )
        self._preprocess = Preprocessor(replace(spec, preprocess=tuple(steps)))
        self.output_shape = self._preprocess.output_shape

    def batch(self, examples: NDArray[Any]) -> NDArray[np.float32]:
        """Inputs (n, *output_shape) of n examples.

        Raises:
            InputError: They are not what the source delivers.
        """
        if examples.shape[1:] != self._example:
            raise InputError(f"found frames of shape {examples.shape[1:]}, expected {self._example}")
        return self._preprocess.batch(examples.reshape(-1, *self._frame))
