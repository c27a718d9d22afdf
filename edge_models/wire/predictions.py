"""What a device tells about single frames: what it predicted, and which of its inputs are worth a label."""

from __future__ import annotations

import base64
import binascii
import math
from dataclasses import dataclass
from enum import StrEnum

from edge_models.fields import described
from edge_models.manifest import BundleId
from edge_models.tensors import DTYPE_BYTES, Dtype
from edge_models.wire.values import (
    Timestamp,
    bundle_field,
    check_times,
    count_field,
    id_field,
    measure_field,
    sent_field,
    share_field,
    text_field,
    up_field,
    version_field,
)


class SampleReason(StrEnum):
    """Why an input is worth a label."""

    DRIFT = "drift"
    UNCERTAIN = "uncertain"
    RANDOM = "random"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One prediction; rate-limited and lost without regret."""

    v: int = version_field()
    ts: Timestamp | None = sent_field()
    up: float = up_field()
    id: str = id_field("BOOT-SEQ of the prediction; feedback refers to it.")
    bundle: BundleId = bundle_field("The bundle that predicted.")
    position: int | None = count_field("Index of the frame in its source.", default=None)
    label: int | None = count_field("Predicted class index; null for models without classes.", default=None)
    confidence: float | None = share_field("Probability of that class.", default=None)
    latency_us: float | None = measure_field("Time of the inference, preprocessing included.", default=None)

    def __post_init__(self) -> None:
        """Refuse a time that is none."""
        check_times(self.ts)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleMessage:
    """One input worth labelling, as the source delivered it; sent only where the owner opted in."""

    v: int = version_field()
    ts: Timestamp | None = sent_field()
    up: float = up_field()
    id: str = id_field("BOOT-SEQ of the prediction on this input.")
    bundle: BundleId = bundle_field("The bundle that predicted.")
    position: int | None = count_field("Index of the frame in its source.", default=None)
    why: SampleReason = described("Why it is worth a label.")
    signal: str | None = text_field("The signal that chose it.", default=None, max_length=60)
    predicted: int | None = count_field("Predicted class index.", default=None)
    confidence: float | None = share_field("Probability of that class.", default=None)
    dtype: Dtype = described("Element type of x.")
    shape: tuple[int, ...] = described("Length of each axis of x.", max_length=6, ge=1, le=65536)
    x: str = described("The array's bytes, little-endian, row-major, in base64.", pattern=r"[A-Za-z0-9+/]*={0,2}")

    def __post_init__(self) -> None:
        """Refuse bytes that are not an array of this dtype and shape."""
        check_times(self.ts)
        expected = math.prod(self.shape) * DTYPE_BYTES[self.dtype]
        try:
            found = len(base64.b64decode(self.x, validate=True))
        except binascii.Error as exc:
            raise ValueError(f"x in base64 ({exc})") from exc
        if found != expected:
            raise ValueError(f"{expected} bytes in x for {self.dtype} of shape {list(self.shape)}, not {found}")

    @property
    def data(self) -> bytes:
        """The array's bytes; numpy's ``frombuffer(data, dtype).reshape(shape)`` makes the array."""
        return base64.b64decode(self.x, validate=True)
