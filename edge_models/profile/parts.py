"""What a profile consists of: contexts, confusion and the model of what shifts cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_SIGNALS = 64
MAX_CLASSES = 10_000
MAX_CONTEXTS = 4
PROFILE_ID_DIGITS = 16
REFERENCE = "reference"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Context:
    """One of the conditions that are all right (day, night): what the columns and classes look like in it.

    Attributes:
        name: Such as ``reference`` or ``night``.
        n: Independent frames that it was measured on.
        u_mean: Mean rank u of each column, (J,) float32.
        u_std: Standard deviation of it.
        v_mean: Mean of abs(2u - 1), (J,) float32.
        v_std: Standard deviation of it.
        high: Share of frames above the column's upper tail point, (J,) float32.
        low: Share of frames below the lower one.
        class_prior: Share of each predicted class, (c,) float32; empty for a model without classes.
        centre: Mean of the whitened signals, (k,) float32.
        histogram: Frames in the bins of each signal, (k, 32) uint32; each row sums to ``n``.
    """

    name: str
    n: int
    u_mean: NDArray[np.float32]
    u_std: NDArray[np.float32]
    v_mean: NDArray[np.float32]
    v_std: NDArray[np.float32]
    high: NDArray[np.float32]
    low: NDArray[np.float32]
    class_prior: NDArray[np.float32]
    centre: NDArray[np.float32]
    histogram: NDArray[np.uint32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Confusion:
    """How often the reference's frames of each class were taken for which; rare mistakes are left out above 12 classes.

    Attributes:
        predicted: For each true class the t most frequent predictions, (c, t) uint16.
        share: Their shares of the class's frames, (c, t) float32; all 0 for a class that the reference lacks.
    """

    predicted: NDArray[np.uint16]
    share: NDArray[np.float32]

    def dense(self) -> NDArray[np.float32]:
        """Share of class i taken for class j, (c, c)."""
        c = len(self.share)
        matrix = np.zeros((c, c), np.float32)
        np.add.at(matrix, (np.arange(c)[:, None], self.predicted.astype(np.intp)), self.share)
        return matrix


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImpactModel:
    """How much accuracy a shift of the signals costs, learnt from shifts that the converter made up.

    ``edge_models.drift.impact`` computes its features and the estimate.

    Attributes:
        mean: Of each of the f features over what it learnt from, (f,) float32.
        std: Standard deviation of them, above 0.
        weights: Accuracy for a standard deviation of each, (f,) float32.
        intercept: Accuracy where all features have their mean.
        residual_90: Nine of ten estimates for a kind of shift that was left out were nearer to the truth than this.
        residual_slope: What the residual gains for each unit of distance from the reference; 0 for the same everywhere.
        reference_accuracy: On the reference, estimated the same way.
    """

    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    weights: NDArray[np.float32]
    intercept: float
    residual_90: float
    residual_slope: float = 0.0
    reference_accuracy: float
