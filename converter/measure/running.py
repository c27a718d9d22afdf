"""Run exact bytes on the runtime of the device, whichever engine that is: outputs of many inputs, the time of one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.errors import ConversionError
from converter.measure.figures import Latency
from converter.progress import Progress
from edge_models.engines.port import Engine
from edge_models.engines.tflite import TfliteModel
from edge_models.quantize import dequantize, quantize
from edge_models.tensors import TensorSpec

_TOLD_EVERY = 500  # inputs
_WARM_UP = 5  # rounds: the first inference packs weights
_ROUNDS = 300
_MIN_ROUNDS = 30
_BUDGET_S = 2.0
_TIMED_INPUTS = 32
_US = 1e6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Running:
    """Something that is loaded and answers, in stored codes.

    Attributes:
        runtime: Runtime and version.
        input: What ``run`` takes.
        outputs: What it gives, in this order.
        run: From the codes of one frame to those of each output.
    """

    runtime: str
    input: TensorSpec
    outputs: tuple[TensorSpec, ...]
    run: Callable[[NDArray[Any]], Sequence[NDArray[Any]]]


def running(engine: Engine) -> Running:
    """An engine, which its owner closes."""

    def run(codes: NDArray[Any]) -> list[NDArray[Any]]:
        given = engine.run(codes)
        return [given[output.name] for output in engine.outputs]

    specs = tuple(output.spec for output in engine.outputs)
    return Running(runtime=engine.runtime, input=engine.input, outputs=specs, run=run)


@contextmanager
def loaded(data: bytes) -> Iterator[Running]:
    """A .tflite file on one thread with the runtime's default delegates, as a device runs it.

    Raises:
        UnsupportedArtifactError: The runtime refuses it.
    """
    model = TfliteModel(data)
    try:
        specs = tuple(output.spec for output in model.outputs)
        yield Running(runtime=model.runtime, input=model.input.spec, outputs=specs, run=model.run)
    finally:
        model.close()


def outputs_of(
    model: Running, inputs: NDArray[np.float32], output: int, stage: str, progress: Progress
) -> NDArray[np.float32]:
    """Real values of one output for n preprocessed inputs (n, ...), flattened to (n, k).

    Args:
        model: Any dtypes; codes are converted here.
        inputs: float32; as many numbers each as the model takes.
        output: Number of the output.
        stage: What the progress is called.
        progress: Told now and then.

    Raises:
        ConversionError: An output is not finite.
        InputError: The inputs do not fit.
    """
    spec = model.outputs[output]
    found = np.empty((len(inputs), math.prod(spec.shape)), np.float32)
    for number, codes in enumerate(_codes(model, inputs)):
        found[number] = dequantize(model.run(codes)[output], spec).reshape(-1)
        if (number + 1) % _TOLD_EVERY == 0:
            progress.step(stage, number + 1, len(inputs))
    bad = int((~np.isfinite(found)).any(axis=1).sum())
    if bad:
        raise ConversionError(
            f"the {stage} model gives NaN or infinity for {bad} of {len(inputs)} test inputs, expected finite numbers; "
            "the training has diverged: lower training.learning_rate or scale the inputs"
        )
    return found


def latency(
    artifact: Running, float32: Running | None, inputs: NDArray[np.float32], clock: Callable[[], float]
) -> Latency:
    """Time single inferences of both models in turns.

    Args:
        artifact: On one thread.
        float32: On one thread; None to time the artifact alone.
        inputs: Some of them are used, (n, ...).
        clock: Seconds, as finely as the machine can.
    """
    models = [artifact] if float32 is None else [artifact, float32]
    frames = [list(_codes(model, inputs[:_TIMED_INPUTS])) for model in models]
    for number in range(_WARM_UP):
        for model, some in zip(models, frames, strict=True):
            model.run(some[number % len(some)])
    taken: list[list[float]] = [[] for _ in models]
    begin = clock()
    for number in range(_ROUNDS):
        order = range(len(models)) if number % 2 else reversed(range(len(models)))  # neither is always the first
        for one in order:
            codes = frames[one][number % len(frames[one])]
            start = clock()
            models[one].run(codes)
            taken[one].append((clock() - start) * _US)
        if number + 1 >= _MIN_ROUNDS and clock() - begin > _BUDGET_S:
            break
    median, p95 = np.quantile(taken, [0.5, 0.95], axis=1)
    return Latency(
        runtime=artifact.runtime,
        rounds=len(taken[0]),
        median_us=float(median[0]),
        p95_us=float(p95[0]),
        float_median_us=None if float32 is None else float(median[1]),
        float_p95_us=None if float32 is None else float(p95[1]),
    )


def _codes(model: Running, inputs: NDArray[np.float32]) -> Iterator[NDArray[Any]]:
    spec = model.input
    if math.prod(inputs.shape[1:]) != math.prod(spec.shape):
        raise ConversionError(f"the model takes {list(spec.shape)}, found inputs of {list(inputs.shape[1:])}")
    return (quantize(x.reshape(spec.shape), spec) for x in inputs)
