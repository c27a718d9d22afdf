"""What a tensor at a model's border looks like: shape, dtype and, for integers, what they stand for.

No numpy here: the supervisor reads manifests and must stay small. The arithmetic is in ``edge_models.quantize``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from edge_models.fields import described

Dtype = Literal["float32", "float16", "int8", "uint8", "int16", "int32", "int64", "bool"]

DTYPE_RANGE: dict[str, tuple[int, int]] = {
    "int8": (-128, 127),
    "uint8": (0, 255),
    "int16": (-32768, 32767),
    "int32": (-(2**31), 2**31 - 1),
}
_SCALE_TOLERANCE = 1e-6  # a float32 scale written as decimal text and read back
DTYPE_BYTES: dict[str, int] = {
    "float32": 4,
    "float16": 2,
    "int8": 1,
    "uint8": 1,
    "int16": 2,
    "int32": 4,
    "int64": 8,
    "bool": 1,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantParams:
    """Per-tensor affine quantisation: real = scale * (stored - zero_point).

    Source: LiteRT 8-bit quantisation specification.
    """

    scale: float = described("Step between two neighbouring values, > 0.")
    zero_point: int = described("Stored value that stands for 0.0.")

    def __post_init__(self) -> None:
        """Refuse a scale that no real quantiser emits."""
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"scale {self.scale} is not a finite number above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """Shape and dtype of one array without its batch axis, and its quantisation if it is an integer code."""

    shape: tuple[int, ...] = described("Length of each axis, batch axis left out.", max_length=6)
    dtype: Dtype = described("Element type as stored.")
    quant: QuantParams | None = described("What the integers stand for; null for plain numbers.", default=None)

    def __post_init__(self) -> None:
        """Refuse empty axes and quantised types that have no defined range."""
        if any(length < 1 for length in self.shape):
            raise ValueError(f"shape {self.shape} has an axis below 1")
        if self.quant is not None and self.dtype not in DTYPE_RANGE:
            raise ValueError(f"{self.dtype} cannot be quantised, only {', '.join(DTYPE_RANGE)}")

    @property
    def size_bytes(self) -> int:
        """Bytes of one array of this kind."""
        return math.prod(self.shape) * DTYPE_BYTES[self.dtype]


def same_code(found: TensorSpec, declared: TensorSpec) -> bool:
    """Whether two specs mean the same, a scale's last digit apart."""
    if (found.shape, found.dtype) != (declared.shape, declared.dtype):
        return False
    if found.quant is None or declared.quant is None:
        return found.quant is declared.quant
    same_scale = math.isclose(found.quant.scale, declared.quant.scale, rel_tol=_SCALE_TOLERANCE)
    return same_scale and found.quant.zero_point == declared.quant.zero_point


def shown(spec: TensorSpec) -> str:
    """A spec in a few words, for messages."""
    code = "" if spec.quant is None else f" scale {spec.quant.scale:g} zero point {spec.quant.zero_point}"
    return f"{spec.dtype}{list(spec.shape)}{code}"
