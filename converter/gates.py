"""Gates: what a bundle must reach before it is written. No IO here."""

from __future__ import annotations

from dataclasses import dataclass

from converter.errors import GateError
from converter.recipe import GatesRecipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was measured on one build; accuracies on the test split."""

    float_accuracy: float
    int8_accuracy: float
    float_bytes: int
    int8_bytes: int
    float_difference: float
    agreement: float
    sqnr_db: float
    n_test: int


def check_gates(figures: Figures, gates: GatesRecipe) -> None:
    """Refuse a build that misses a gate.

    Raises:
        GateError: Naming every gate that was missed.

    Examples:
        >>> check_gates(Figures(float_accuracy=0.95, int8_accuracy=0.90, float_bytes=100, int8_bytes=30,
        ...     float_difference=0.0, agreement=0.9, sqnr_db=12.0, n_test=500), GatesRecipe())
        Traceback (most recent call last):
        converter.errors.GateError: drop: int8 loses 0.0500, allowed 0.0100; calibrate with more examples
    """
    drop = figures.float_accuracy - figures.int8_accuracy
    ratio = figures.int8_bytes / figures.float_bytes
    missed = []
    if drop > gates.drop + 1e-9:
        missed.append(f"drop: int8 loses {drop:.4f}, allowed {gates.drop:.4f}; calibrate with more examples")
    if gates.size_ratio is not None and ratio > gates.size_ratio:
        missed.append(
            f"size_ratio: int8 file is {ratio:.3f} of the float one, allowed {gates.size_ratio:.3f}; "
            "small networks are mostly structure, widen a layer or raise the gate"
        )
    if not figures.float_difference <= gates.float_difference:  # NaN is a difference, too
        missed.append(
            f"float_difference: Keras and float TFLite differ by {figures.float_difference:.2e}, "
            f"allowed {gates.float_difference:.2e}; the export lost something"
        )
    if figures.int8_accuracy < gates.metric:
        missed.append(
            f"metric: int8 reaches {figures.int8_accuracy:.4f}, wanted {gates.metric:.4f}; "
            "train longer or bring more data"
        )
    if missed:
        raise GateError("; ".join(missed))
