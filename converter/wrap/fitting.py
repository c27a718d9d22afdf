"""What to do to a frame so that a model of unknown origin understands it: guessed from its input, and said aloud.

A quantised input says what its codes stand for, so pixels are given to it one to one. A float input says nothing: the
usual scalings are tried, and the labels tell which one the model was trained with.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from converter.datasets.windows import ExampleInputs
from converter.errors import DatasetError
from converter.wrap.examples import Labelled
from edge_models.errors import EdgeModelsError
from edge_models.manifest import GreyscaleStep, InputSpec, ResizeStep, ScaleStep, Step
from edge_models.tensors import Dtype, QuantParams, TensorSpec

Kind = Literal["image", "rows", "audio"]
_DTYPES: dict[str, Dtype] = {"uint8": "uint8", "int8": "int8", "int16": "int16", "float32": "float32"}
_CHANNELS = (1, 3, 4)
_FIRST_CODE = {"uint8": 0, "int8": -128}  # what a black pixel becomes
USUAL_SCALINGS = ((1.0, 0.0), (1 / 255, 0.0), (1 / 127.5, -1.0))  # factor and offset that pixels are trained with
_USUAL_RANGES = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0), (-128.0, 127.0))
_NEAR = 0.1  # of the range
_STANDARDISED = 10.0  # width of what has mean 0 and deviation 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """One way from frames to inputs.

    Attributes:
        spec: What the device is told.
        said: The same for people.
    """

    spec: InputSpec
    said: str


def fits(model: TensorSpec, data: Labelled, kind: Kind | None, steps: tuple[Step, ...] | None) -> tuple[Fit, ...]:
    """The ways to try, all of which give as many numbers as the model takes.

    Args:
        model: Its input.
        data: The frames.
        kind: What they are; guessed when None.
        steps: What to do to them; guessed when None.

    Raises:
        DatasetError: The frames cannot become inputs of the model.
    """
    kind = kind or _kind(data)
    if steps is not None:
        found: tuple[Fit, ...] = (Fit(spec=_spec(kind, data, steps), said="the steps of --preprocess"),)
    elif kind == "image":
        found = tuple(_pictures(model, data))
    else:
        found = (_numbers(kind, model, data),)
    for fit in found:
        _check(fit.spec, model, data)
    return found


def _kind(data: Labelled) -> Kind:
    frame = data.x.shape[1:]
    is_picture = len(frame) == 2 or (len(frame) == 3 and frame[2] in _CHANNELS)
    if data.x.dtype == np.uint8 and is_picture:
        return "image"
    return "rows" if data.rate_hz is None else "audio"


def _spec(kind: Kind, data: Labelled, steps: tuple[Step, ...], quant: QuantParams | None = None) -> InputSpec:
    return InputSpec(
        kind=kind,
        source=TensorSpec(shape=data.x.shape[1:], dtype=_dtype(data.where, data.x), quant=quant),
        preprocess=steps,
        rate_hz=data.rate_hz if kind == "audio" else None,
    )


def _pictures(model: TensorSpec, data: Labelled) -> Iterator[Fit]:
    steps, said = _geometry(model, data)
    for factor, offset in _scalings(model):
        scaled = (ScaleStep(factor=factor, offset=offset),) if (factor, offset) != (1.0, 0.0) else ()
        if model.quant is not None:
            values = f"pixels 0 to 255 as its {model.dtype} codes, one to one, {_real_range(factor, offset)}"
        else:
            values = f"pixels as {offset:g} to {255 * factor + offset:g}"
        yield Fit(spec=_spec("image", data, (*steps, *scaled)), said=", ".join([*said, values]))


def _real_range(factor: float, offset: float) -> str:
    """What the model takes pixels for."""
    low, high = offset, 255 * factor + offset
    usual = any(abs(low - a) + abs(high - b) < _NEAR * (b - a) for a, b in _USUAL_RANGES) or high - low < _STANDARDISED
    doubt = "" if usual else ", which is odd for pixels: say with --preprocess what this model was trained with"
    return f"which stand for {low:.3g} to {high:.3g}{doubt}"


def _scalings(model: TensorSpec) -> tuple[tuple[float, float], ...]:
    if model.quant is not None and model.dtype in _FIRST_CODE:
        scale = model.quant.scale
        return ((scale, (_FIRST_CODE[model.dtype] - model.quant.zero_point) * scale),)
    return USUAL_SCALINGS if model.dtype in ("float32", "float16") else USUAL_SCALINGS[:1]


def _geometry(model: TensorSpec, data: Labelled) -> tuple[list[Step], list[str]]:
    """Steps that change size and channels, and what they do."""
    height, width, channels = (*data.x.shape[1:], 1)[:3]
    steps: list[Step] = []
    said: list[str] = []
    if len(model.shape) not in (2, 3) or math.prod(model.shape) == height * width * channels:
        return steps, said
    wanted = (*model.shape, 1)[:3]
    if wanted[0] in _CHANNELS and wanted[2] not in _CHANNELS:
        raise DatasetError(
            f"{data.where}: the model takes {list(model.shape)}, channels first, expected (height, width, channels); "
            "convert it with its channels last"
        )
    if wanted[2] == 1 and channels == 3:
        steps.append(GreyscaleStep())
        said.append("colours to grey")
    elif wanted[2] != channels:
        raise DatasetError(
            f"{data.where}: found pictures with {channels} channels, expected {wanted[2]} as the model takes "
            f"{list(model.shape)}; save them so"
        )
    if wanted[:2] != (height, width):
        steps.append(ResizeStep(height=wanted[0], width=wanted[1]))
        said.append(f"{height} x {width} resized to {wanted[0]} x {wanted[1]}")
    return steps, said


def _numbers(kind: Kind, model: TensorSpec, data: Labelled) -> Fit:
    if data.x.dtype.name == model.dtype and model.quant is not None:
        said = (
            f"the data as the model's own {model.dtype} codes (scale {model.quant.scale:g}, "
            f"zero point {model.quant.zero_point})"
        )
        return Fit(spec=_spec(kind, data, (), model.quant), said=said)
    return Fit(spec=_spec(kind, data, ()), said="the data as the model's real inputs, as they are")


def _check(spec: InputSpec, model: TensorSpec, data: Labelled) -> None:
    try:
        shape = ExampleInputs(spec).output_shape
    except EdgeModelsError as exc:
        raise DatasetError(f"{data.where}: {exc}") from exc
    if math.prod(shape) != math.prod(model.shape):
        raise DatasetError(
            f"{data.where}: found {spec.source.dtype} frames of shape {data.x.shape[1:]} that become {shape}, "
            f"expected {math.prod(model.shape)} numbers as the model takes {model.shape}; "
            "say with --preprocess what makes them so"
        )


def _dtype(where: str, x: NDArray[Any]) -> Dtype:
    if x.dtype.name not in _DTYPES:
        raise DatasetError(
            f"{where}: found x of dtype {x.dtype}, expected {', '.join(_DTYPES)} as the device's source delivers it; "
            f"save x.astype({'np.float32' if x.dtype.kind == 'f' else 'np.uint8'})"
        )
    return _DTYPES[x.dtype.name]
