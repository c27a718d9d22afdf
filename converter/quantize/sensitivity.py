"""Which layers lose most by full int8: what the report shows, and what the selective fallback keeps in float.

The figures of a layer compare its int8 form with its float form on the same int8 input (TensorFlow's
QuantizationDebugger), so a layer is not blamed for the noise of those before it.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from converter.errors import ConversionError
from converter.keras_process.process import KerasProcess
from converter.keras_process.sensitivity import Examine, ExaminedLayer, ExaminedLayers
from converter.quantize.inspection import layer_name
from converter.recipe import QuantizeRecipe
from edge_models.errors import FieldError
from edge_models.fields import decode_json

_MAX_RESULT_BYTES = 1 << 26
_ROUNDING = 1 / 12  # variance of rounding, in steps squared: what an output in int8 costs in any case
_STEADY = 0.9  # share of a range that half of the calibration set should give


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerNoise:
    """One operator of the int8 graph.

    Attributes:
        name: Of its layer, for people.
        tensor: Of its output, for ``keep_float``.
        op: Such as CONV_2D.
        sqnr_db: Float output over its difference from the int8 output.
        rmse_over_scale: Root mean square of the difference, in steps of the output; rounding alone is 0.29.
        removable: Share of the output's power that is noise beyond rounding: what staying float would save.
        scale: Step of the output.
        zero_point: Stored value of 0.
        low: Smallest value of the calibration.
        high: Largest value of the calibration.
        half_range: Width of the range that half of the calibration set gives, over that of all.
        histogram: Values between low and high, in bins of equal width.
    """

    name: str
    tensor: str
    op: str
    sqnr_db: float
    rmse_over_scale: float
    removable: float
    scale: float
    zero_point: int
    low: float
    high: float
    half_range: float
    histogram: tuple[int, ...]


def sensitivity(
    keras: KerasProcess, recipe: QuantizeRecipe, calibration: NDArray[np.float32]
) -> tuple[LayerNoise, ...]:
    """Every layer's noise, in the order of the graph.

    Args:
        keras: Holds the trained model.
        recipe: How dense kernels are scaled.
        calibration: Preprocessed inputs (n, ...) float32 that set the ranges, as for ``convert``.

    Raises:
        ConversionError: TensorFlow crashed or took too long.
        ModelError: The model has an operator that cannot be converted to int8.
    """
    result = keras.folder / "layers.json"
    message = Examine(
        calibration=keras.write(x=calibration), dense=recipe.dense, folder=str(keras.folder), result=str(result)
    )
    keras.do("measuring each layer", message)
    try:
        found = decode_json(ExaminedLayers, result.read_bytes(), max_bytes=_MAX_RESULT_BYTES)
    except FieldError as exc:
        raise ConversionError(f"measuring each layer gave {exc}") from exc
    return tuple(_noise(layer) for layer in found.layers)


def sensitive_layers(layers: Sequence[LayerNoise], count: int) -> tuple[str, ...]:
    """Output tensors of the layers that lose most beyond rounding, the worst first; fewer when fewer lose anything.

    Rounding of the output is left out, because it stays when the layer alone is float: its neighbours are int8.
    """
    losing = sorted((layer for layer in layers if layer.removable > 0), key=lambda layer: -layer.removable)
    return tuple(layer.tensor for layer in losing[:count])


def calibration_warning(layers: Sequence[LayerNoise]) -> str | None:
    """A sentence when half of the calibration set gives clearly narrower ranges than all of it, else None.

    Examples:
        >>> calibration_warning([]) is None
        True
    """
    middle = statistics.median(layer.half_range for layer in layers) if layers else 1.0
    if middle >= _STEADY:
        return None
    worst = min(layers, key=lambda layer: layer.half_range)
    return (
        f"calibration: half of the examples give only {middle:.0%} of the ranges (median of the layers; {worst.name}: "
        f"{worst.half_range:.0%}); raise quantize.calibration"
    )


def _noise(layer: ExaminedLayer) -> LayerNoise:
    excess = max(layer.rmse_over_scale**2 - _ROUNDING, 0.0) / max(layer.rmse_over_scale**2, 1e-30)
    return LayerNoise(
        name=layer_name(layer.tensor),
        tensor=layer.tensor,
        op=layer.operator,
        sqnr_db=layer.sqnr_db,
        rmse_over_scale=layer.rmse_over_scale,
        removable=excess * 10 ** (-layer.sqnr_db / 10),
        scale=layer.scale,
        zero_point=layer.zero_point,
        low=layer.low,
        high=layer.high,
        half_range=layer.half_range,
        histogram=layer.histogram,
    )
