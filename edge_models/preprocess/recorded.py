"""Recorded frames as the source of a model would have delivered them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edge_models.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_models.manifest import InputSpec

REAL = ("float32", "float16")
"""Dtypes of a source of real numbers, which takes every kind of number."""


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
    if source.dtype in REAL or frames.dtype == source.dtype:
        return frames
    with np.errstate(invalid="ignore"):
        cast = frames.astype(source.dtype)
    if not np.array_equal(cast, frames):
        raise InputError(
            f"found {frames.dtype} frames with values that {source.dtype} does not have, expected {source.dtype} as "
            "the source delivers it, before scaling"
        )
    return cast
