"""One frame through the model: preprocessing, engine, signals. No IO, no clock of its own, no memory of the stream
(but the rows of an unfinished window, which belong to preprocessing).

A frame that does not fit, or an answer that is no finite number, is a result like any other: the stream goes on and
the frame is counted as refused. What the engine itself cannot survive is raised.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_models.bundle import Bundle
from edge_models.engines.port import Engine, infer
from edge_models.errors import InputError
from edge_models.manifest import Artifact, InputSpec
from edge_models.preprocess import Preprocessor
from edge_models.signals import input_signal_names, input_signals, output_signal_names, read_answer

MonotonicNs = Callable[[], int]
"""A clock for stage times, such as ``time.perf_counter_ns``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTimes:
    """How long each stage of one frame took, in microseconds."""

    preprocess_us: float = 0.0
    infer_us: float = 0.0
    signals_us: float = 0.0

    @property
    def latency_us(self) -> float:
        """From the frame to the prediction."""
        return self.preprocess_us + self.infer_us


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineResult:
    """What one frame gave.

    Attributes:
        predicted: Index of the most probable class, or 1 for an anomaly and 0 for none; None for a refused frame and
            for a model that tells neither.
        confidence: Its probability; for anomalies a share that is 0.5 at the threshold.
        margin: Its distance from the second most probable class.
        signals: The drift signals in the order of ``Pipeline.signal_names``, (k,); None for a refused frame.
        times: How long each stage took.
        refused: Why the frame was refused, one sentence; None when it was not.
    """

    predicted: int | None = None
    confidence: float | None = None
    margin: float | None = None
    signals: NDArray[np.float64] | None = None
    times: StageTimes = StageTimes()
    refused: str | None = None


class Pipeline:
    """Runs frames through one artifact.

    Args:
        spec: The manifest's input spec.
        artifact: The artifact that ``engine`` runs.
        engine: Owned by the caller, who closes it.
        clock_ns: For stage times only; no decision depends on it.
    """

    def __init__(self, *, spec: InputSpec, artifact: Artifact, engine: Engine, clock_ns: MonotonicNs) -> None:
        self._preprocessor = Preprocessor(spec)
        self._kind = spec.kind
        self._artifact = artifact
        self._engine = engine
        self._clock_ns = clock_ns
        inputs = input_signal_names(spec.kind, self._preprocessor.output_shape)
        self.signal_names: tuple[str, ...] = inputs + output_signal_names(artifact)

    def run(self, frame: NDArray[Any]) -> PipelineResult | None:
        """Run one frame; None while a window of rows is filling.

        Raises:
            EngineError: The runtime gave up on the model.
        """
        start = self._clock_ns()
        try:
            x = self._preprocessor(frame)
            preprocessed = self._clock_ns()
            if x is None:
                return None
            outputs = infer(self._engine, x)
        except InputError as exc:
            return PipelineResult(refused=str(exc))
        inferred = self._clock_ns()
        if not all(np.isfinite(output).all() for output in outputs.values()):
            return PipelineResult(
                refused="the model's answer is no finite number", times=_times(start, preprocessed, inferred)
            )
        answer = self._answer(x, outputs)
        return PipelineResult(**answer, times=_times(start, preprocessed, inferred, self._clock_ns()))

    def reset(self) -> None:
        """Forget the rows of an unfinished window, as when a source jumps."""
        self._preprocessor.reset()

    def _answer(self, x: NDArray[np.float32], outputs: Mapping[str, NDArray[np.float32]]) -> dict[str, Any]:
        answer = read_answer(self._artifact, x, outputs)
        return {
            "predicted": answer.predicted,
            "confidence": answer.confidence,
            "margin": answer.margin,
            "signals": np.concatenate((input_signals(self._kind, x), answer.signals)),
        }


def open_pipeline(bundle: Bundle, artifact_name: str, engine: Engine, clock_ns: MonotonicNs) -> Pipeline:
    """The pipeline of a bundle's artifact on an engine that has it loaded."""
    artifact = bundle.artifact(artifact_name)
    return Pipeline(spec=bundle.manifest.input, artifact=artifact, engine=engine, clock_ns=clock_ns)


def _times(start: int, preprocessed: int, inferred: int, end: int | None = None) -> StageTimes:
    return StageTimes(
        preprocess_us=(preprocessed - start) / 1000,
        infer_us=(inferred - preprocessed) / 1000,
        signals_us=0.0 if end is None else (end - inferred) / 1000,
    )
