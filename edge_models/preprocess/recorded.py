"""Recorded frames as the source of a model would have delivered them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edge_models.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_models.manifest import InputSpec

_REAL = ("float32", "float16")
_INTEGER_SAMPLES = "divide 16-bit samples by 32768"


def takes(spec: InputSpec, frames: NDArray[Any]) -> bool:
    """Whether a source of ``spec`` may deliver the dtype of ``frames``.

    A source of real numbers takes every kind of number, but not integers for sound: samples of -1 to 1 and of -32768 to
    32767 would both pass, and one of them is silence.
    """
    if spec.source.dtype not in _REAL:
        return frames.dtype == np.dtype(spec.source.dtype)
    return frames.dtype.kind in ("f" if spec.kind == "audio" else "biuf")


def as_delivered(frames: NDArray[Any], spec: InputSpec) -> NDArray[Any]:
    """Recorded frames (n, ...) as the source delivers them, where that changes no value.

    Other libraries keep pixels as floats, and grey pictures with or without an axis for their one channel. A live
    source gets no such help: what it delivers is what the model was built for.

    Raises:
        InputError: The frames are of another shape, or hold values that the source cannot deliver.
    """
    source, shape = spec.source, frames.shape[1:]
    grey = spec.kind == "image" and source.shape in ((*shape, 1), shape[:-1] if shape[-1:] == (1,) else None)
    if shape != source.shape and not grey:
        raise InputError(f"found frames of shape {shape}, expected {source.shape} as the source delivers them")
    frames = frames.reshape(len(frames), *source.shape)
    if takes(spec, frames):
        return frames
    if source.dtype in _REAL:
        hint = f"; {_INTEGER_SAMPLES}" if spec.kind == "audio" else ""
        raise InputError(f"found {frames.dtype} frames, expected {source.dtype} as the source delivers it{hint}")
    with np.errstate(invalid="ignore"):
        cast = frames.astype(source.dtype)
    if not np.array_equal(cast, frames):
        raise InputError(
            f"found {frames.dtype} frames with values that {source.dtype} does not have, expected {source.dtype} as "
            "the source delivers it, before scaling"
        )
    return cast
