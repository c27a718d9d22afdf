"""The preprocessor: checks that the steps of an input spec fit each other, and executes them in order.

What a step computes is in ``image`` and ``audio``; what it may be applied to is decided here.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any, assert_never

import numpy as np

from edge_models.errors import InputError, ManifestError
from edge_models.preprocess.audio import log_mel, mfcc, spectrum
from edge_models.preprocess.image import crop_centre, greyscale, resize_bilinear, standardise_each
from edge_models.preprocess.recorded import takes
from edge_models.quantize import dequantize
from edge_models.steps import (
    CropStep,
    GreyscaleStep,
    LogMelStep,
    MelSpectrogram,
    MfccStep,
    NormaliseStep,
    ResizeStep,
    ScaleStep,
    SpectrumStep,
    StandardiseEachStep,
    WindowStep,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_models.manifest import InputSpec
    from edge_models.steps import Step

_LARGEST = 1e12  # third moments, the highest power that a signal takes, still fit a float32
_ImageStep = ResizeStep | CropStep | GreyscaleStep
_AudioStep = LogMelStep | MfccStep
_ArrayStep = _ImageStep | _AudioStep | ScaleStep | NormaliseStep | StandardiseEachStep | SpectrumStep


class Preprocessor:
    """Turns what a source delivers into a model's float input.

    Images become (height, width, channels) whatever the source's form. A spec with a window step has a memory: frames
    are rows then, and an input comes out only when a window is full.

    Attributes:
        output_shape: Shape of the input that comes out, without a batch axis.
        rows: Frames that one input is made of; more than 1 only with a window step.

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
        self.rows = self._window.length if self._window else 1
        self._rows: deque[NDArray[np.float32]] = deque(maxlen=self.rows)
        self._seen = 0

    def __call__(self, frame: NDArray[Any]) -> NDArray[np.float32] | None:
        """Preprocess one frame; None while a window is filling.

        Raises:
            InputError: A shape or dtype that the source does not have, or a value that is not finite.
        """
        return self.input() if self.push(frame) else None

    @property
    def is_windowed(self) -> bool:
        """Whether inputs are windows of rows, so that every row has to be pushed."""
        return self._window is not None

    def push(self, frame: NDArray[Any]) -> bool:
        """Take one frame; whether an ``input`` is due, which may be left out.

        Raises:
            InputError: As for a call.
        """
        x = _finite(_apply(self._before, self._accept(np.asarray(frame)[None])))
        self._rows.append(x[0])
        if self._window is None:
            return True
        self._seen += 1
        due = self._seen - self._window.length
        return due >= 0 and due % self._window.stride == 0

    def input(self) -> NDArray[np.float32]:
        """The input that ends with the frame pushed last; only after a ``push`` that said so.

        Raises:
            InputError: A value in the window is not finite behind the steps.
        """
        if self._window is None:
            return np.asarray(self._rows[-1])
        return np.asarray(_finite(_apply(self._after, np.stack(self._rows)[None]))[0])

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
        return _finite(_apply(self._after, windows))

    def reset(self) -> None:
        """Forget the rows of an unfinished window."""
        self._rows.clear()
        self._seen = 0

    def _accept(self, frames: NDArray[Any]) -> NDArray[Any]:
        source = self._spec.source
        if frames.shape[1:] != source.shape:
            raise InputError(f"frame has shape {frames.shape[1:]}, expected {source.shape}")
        if not takes(self._spec, frames):
            raise InputError(f"frame has dtype {frames.dtype}, expected {source.dtype}")
        x = frames if source.quant is None else dequantize(frames, source)
        return x[..., None] if self._spec.kind == "image" and x.ndim == 3 else x


def _finite(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Refuse NaN and infinity here, behind the steps, where an overflow in them shows too."""
    if x.size and not np.abs(x).max() <= _LARGEST:
        raise InputError(f"frame has NaN, infinite or huge values, expected numbers up to {_LARGEST:g}")
    return x


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def _apply(steps: list[_ArrayStep], x: NDArray[Any]) -> NDArray[np.float32]:
    for step in steps:
        x = _applied(step, x)
    own = any(not isinstance(step, CropStep) for step in steps)  # a crop is a view of the caller's array
    return x.astype(np.float32, copy=not own)


def _applied(step: _ArrayStep, x: NDArray[Any]) -> NDArray[Any]:  # noqa: PLR0911 - one line for each step
    match step:
        case ResizeStep():
            return resize_bilinear(x, step.height, step.width)
        case CropStep():
            return crop_centre(x, step.height, step.width)
        case GreyscaleStep():
            return greyscale(x)
        case ScaleStep():
            return np.asarray(x.astype(np.float32) * np.float32(step.factor) + np.float32(step.offset))
        case NormaliseStep():
            mean, std = np.array(step.mean, np.float32), np.array(step.std, np.float32)
            return np.asarray((x.astype(np.float32) - mean) / std)
        case StandardiseEachStep():
            return standardise_each(x)
        case SpectrumStep():
            return spectrum(x)
        case LogMelStep():
            return log_mel(x, step)
        case MfccStep():
            return mfcc(x, step)
        case _:
            assert_never(step)


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
        case ResizeStep() | CropStep() | GreyscaleStep():
            return _image_after(step, shape, spec, where)
        case LogMelStep() | MfccStep():
            bins = step.coefficients if isinstance(step, MfccStep) else step.mel_bins
            return (_frames(step, shape, spec, where), bins)
        case WindowStep():
            if spec.kind == "image":
                raise ManifestError(f"{where}: found window for images, expected it for rows or audio only")
            return (step.length, *shape)
        case SpectrumStep():
            if spec.kind == "image":
                raise ManifestError(f"{where}: found spectrum for images, expected it for rows or audio only")
            return (shape[0] // 2 + 1, *shape[1:])
        case NormaliseStep():
            if len(step.mean) not in (1, shape[-1]):
                raise ManifestError(f"{where}: found {len(step.mean)} means, expected 1 or {shape[-1]}")
            return shape
        case ScaleStep() | StandardiseEachStep():
            return shape
        case _:
            assert_never(step)


def _image_after(step: _ImageStep, shape: tuple[int, ...], spec: InputSpec, where: str) -> tuple[int, ...]:
    if spec.kind != "image":
        raise ManifestError(f"{where}: found {step.op} for {spec.kind}, expected it for images only")
    if isinstance(step, GreyscaleStep):
        if shape[2] != 3:
            raise ManifestError(f"{where}: found greyscale for {shape[2]} channels, expected red, green and blue")
        return (*shape[:2], 1)
    if isinstance(step, CropStep) and (step.height > shape[0] or step.width > shape[1]):
        raise ManifestError(
            f"{where}: found a crop of {step.height} x {step.width} from {shape[0]} x {shape[1]}, expected less"
        )
    return (step.height, step.width, shape[2])


def _frames(step: MelSpectrogram, shape: tuple[int, ...], spec: InputSpec, where: str) -> int:
    """Number of frames of a spectrogram, where there is one at all."""
    if spec.kind == "image":
        raise ManifestError(f"{where}: found a spectrogram of images, expected it for audio or rows only")
    if spec.rate_hz is not None and spec.rate_hz != step.rate_hz:
        raise ManifestError(f"{where}: found rate_hz {step.rate_hz:g}, expected the source's own {spec.rate_hz:g}")
    frames, samples = step.frames(math.prod(shape)), math.prod(shape)
    if frames == 0:
        raise ManifestError(f"{where}: found {samples} samples, expected at least a frame of {step.frame_length}")
    return frames
