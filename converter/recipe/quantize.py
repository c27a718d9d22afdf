"""The recipe's section ``quantize``: how the model is converted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edge_models.fields import described

Mode = Literal["int8", "float32", "float16", "dynamic", "int16x8"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackRecipe:
    """Keep the most sensitive layers in floating point when the int8 model misses the gate ``drop``."""

    max_layers: int = described("At most so many layers; 0 for none.", default=2, ge=0, le=64)


@dataclass(frozen=True, slots=True, kw_only=True)
class QatRecipe:
    """Quantisation-aware training, in an environment of its own (tensorflow-model-optimization with Keras 2)."""

    epochs: int = described("Epochs with simulated quantisation after the training.", default=3, ge=1, le=1000)
    learning_rate: float = described("At the start.", default=1e-4, ge=1e-8, le=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeRecipe:
    """Static full int8 unless something else is asked for."""

    mode: Mode = described("Precision of the model that devices run.", default="int8")
    also: tuple[Mode, ...] = described(
        "More precisions, each an artifact of its own in the bundle.", default=(), max_length=4
    )
    dense: Literal["per_tensor", "per_channel"] = described(
        "Scales of dense kernels: one for the whole kernel, or one for each output, which loses less where the "
        "outputs differ in size (autoencoders).",
        default="per_tensor",
    )
    calibration: int = described("Training examples that set the ranges, stratified.", default=200, ge=8, le=10000)
    fallback: FallbackRecipe = described("Selective fallback.", default_factory=FallbackRecipe)
    qat: QatRecipe | None = described("Quantisation-aware training; none when left out.", default=None)
    sensitivity: bool = described("Measure every layer's noise and report it.", default=True)
