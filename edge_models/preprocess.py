"""Preprocessing: the steps of a manifest's input spec, executed with numpy alone.

The converter feeds its training with the same class, so what a model learns from is what it sees on the device.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, assert_never

import numpy as np

from edge_models.errors import InputError, ManifestError
from edge_models.manifest import NormaliseStep, ResizeStep, ScaleStep, WindowStep
from edge_models.quantize import dequantize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_models.manifest import InputSpec, Step

_REAL = ("float32", "float16")  # a source of real numbers takes every kind of number
_LARGEST = 1e12  # third moments, the highest power that a signal takes, still fit a float32
_ArrayStep = ResizeStep | ScaleStep | NormaliseStep


class Preprocessor:
    """Turns what a source delivers into a model's float input.

    Images become (height, width, channels) whatever the source's form. A spec with a window step has a memory: frames
    are rows then, and an input comes out only when a window is full.

    Attributes:
        output_shape: Shape of the input that comes out, without a batch axis.

    Examples:
        >>> from edge_models.manifest import InputSpec
        >>> from edge_models.tensors import TensorSpec
        >>> spec = InputSpec(kind="rows", source=TensorSpec(shape=(2,), dtype="float32"),
        ...                  preprocess=(WindowStep(length=2, stride=1),))
        >>> window = Preprocessor(spec)
        >>> window(np.array([1.0, 2.0]))
        >>> window(np.array([3.0, 4.0]))
        array([[1., 2.],
               [3., 4.]], dtype=float32)
    """

    def __init__(self, spec: InputSpec) -> None:
        """Check that the steps fit each other.

        Raises:
            ManifestError: They do not.
        """
        self._spec = spec
        self._before: list[_ArrayStep] = []
        self._after: list[_ArrayStep] = []
        self._window: WindowStep | None = None
        shape = _frame_shape(spec)
        for position, step in enumerate(spec.preprocess):
            where = f"input.preprocess[{position}]"
            shape = _shape_after(step, shape, spec, where)
            if not isinstance(step, WindowStep):
                (self._before if self._window is None else self._after).append(step)
            elif self._window is not None:
                raise ManifestError(f"{where}: found a second window step, expected at most one")
            else:
                self._window = step
        self.output_shape = shape
        self._rows: deque[NDArray[np.float32]] = deque(maxlen=self._window.length if self._window else 1)
        self._seen = 0

    def __call__(self, frame: NDArray[Any]) -> NDArray[np.float32] | None:
        """Preprocess one frame; None while a window is filling.

        Raises:
            InputError: A shape or dtype that the source does not have, or a value that is not finite.
        """
        x = _finite(_apply(self._before, self._accept(np.asarray(frame)[None])))
        if self._window is None:
            return np.asarray(x[0])
        self._rows.append(x[0])
        self._seen += 1
        due = self._seen - self._window.length
        if due < 0 or due % self._window.stride:
            return None
        return np.asarray(_apply(self._after, np.stack(self._rows)[None])[0])

    def batch(self, frames: NDArray[Any]) -> NDArray[np.float32]:
        """Preprocess consecutive frames (n, ...) at once, equal to one by one after a ``reset``; no memory is kept.

        Returns:
            Inputs (m, *output_shape); m is n, or the number of full windows.

        Raises:
            InputError: As for one frame.
        """
        x = _finite(_apply(self._before, self._accept(np.asarray(frames))))
        if self._window is None:
            return x
        starts = np.arange(0, len(x) - self._window.length + 1, self._window.stride)
        windows = x[starts[:, None] + np.arange(self._window.length)]
        return _apply(self._after, windows)

    def reset(self) -> None:
        """Forget the rows of an unfinished window."""
        self._rows.clear()
        self._seen = 0

    def _accept(self, frames: NDArray[Any]) -> NDArray[Any]:
        source = self._spec.source
        if frames.shape[1:] != source.shape:
            raise InputError(f"frame has shape {frames.shape[1:]}, expected {source.shape}")
        real = source.dtype in _REAL and frames.dtype.kind in "biuf"
        if not real and frames.dtype != source.dtype:
            raise InputError(f"frame has dtype {frames.dtype}, expected {source.dtype}")
        x = frames if source.quant is None else dequantize(frames, source)
        return x[..., None] if self._spec.kind == "image" and x.ndim == 3 else x


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
    if source.dtype in _REAL or frames.dtype == source.dtype:
        return frames
    with np.errstate(invalid="ignore"):
        cast = frames.astype(source.dtype)
    if not np.array_equal(cast, frames):
        raise InputError(
            f"found {frames.dtype} frames with values that {source.dtype} does not have, expected {source.dtype} as "
            "the source delivers it, before scaling"
        )
    return cast


def _finite(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Refuse NaN and infinity here, behind the steps, where an overflow in them shows too."""
    if x.size and not np.abs(x).max() <= _LARGEST:
        raise InputError(f"frame has NaN, infinite or huge values, expected numbers up to {_LARGEST:g}")
    return x


@np.errstate(over="ignore", invalid="ignore")
def _apply(steps: list[_ArrayStep], x: NDArray[Any]) -> NDArray[np.float32]:
    for step in steps:
        match step:
            case ResizeStep():
                x = resize_bilinear(x, step.height, step.width)
            case ScaleStep():
                x = x.astype(np.float32) * np.float32(step.factor) + np.float32(step.offset)
            case NormaliseStep():
                x = (x.astype(np.float32) - np.array(step.mean, np.float32)) / np.array(step.std, np.float32)
            case _:
                assert_never(step)
    return x.astype(np.float32, copy=not steps)  # without a step it is still the caller's own array


def resize_bilinear(images: NDArray[Any], height: int, width: int) -> NDArray[np.float32]:
    """Resize images (n, h, w, c) as ``tf.image.resize`` does: bilinear, half-pixel centres, antialias off.

    Coordinates are computed in float32 as TensorFlow's kernel does (core/util/image_resizer_state.h), because
    rounding them otherwise moves a result by more than the weights' own error.
    """
    top, bottom, down = _taps(images.shape[1], height)
    upper, lower = images[:, top].astype(np.float32), images[:, bottom].astype(np.float32)
    left, right, across = _taps(images.shape[2], width)
    columns, share = across[:, None], down[:, None, None]
    upper = upper[:, :, left] + (upper[:, :, right] - upper[:, :, left]) * columns
    lower = lower[:, :, left] + (lower[:, :, right] - lower[:, :, left]) * columns
    return upper + (lower - upper) * share


def _taps(size: int, result: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Two source indices and the weight of the second for each place of the result."""
    scale = np.float32(size) / np.float32(result)
    centre = (np.arange(result, dtype=np.float32) + np.float32(0.5)) * scale - np.float32(0.5)
    first = np.floor(centre)
    low = np.maximum(first, 0).astype(np.intp)
    high = np.minimum(np.ceil(centre), size - 1).astype(np.intp)
    return low, high, (centre - first).astype(np.float32)


def _frame_shape(spec: InputSpec) -> tuple[int, ...]:
    shape = spec.source.shape
    if spec.kind == "image":
        if len(shape) not in (2, 3):
            raise ManifestError(f"input.source.shape: found {shape}, expected (height, width[, channels]) of an image")
        return shape if len(shape) == 3 else (*shape, 1)
    if not shape:
        raise ManifestError("input.source.shape: found no axis, expected at least one")
    return shape


def _shape_after(step: Step, shape: tuple[int, ...], spec: InputSpec, where: str) -> tuple[int, ...]:
    match step:
        case ResizeStep():
            if spec.kind != "image":
                raise ManifestError(f"{where}: found resize for {spec.kind}, expected it for images only")
            return (step.height, step.width, shape[2])
        case WindowStep():
            if spec.kind == "image":
                raise ManifestError(f"{where}: found window for images, expected it for rows or audio only")
            return (step.length, *shape)
        case NormaliseStep():
            if len(step.mean) not in (1, shape[-1]):
                raise ManifestError(f"{where}: found {len(step.mean)} means, expected 1 or {shape[-1]}")
            return shape
        case ScaleStep():
            return shape
        case _:
            assert_never(step)
