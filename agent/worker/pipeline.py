"""One frame through the model: preprocessing, engine, signals. No IO, no clock of its own, no memory of the stream
(but the rows of an unfinished window, which belong to preprocessing, and with gating the last answer).

A frame that does not fit, or an answer that is no finite number, is a result like any other: the stream goes on and
the frame is counted as refused. What the engine itself cannot survive is raised.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.config import GatingConfig
from agent.worker.adaptation.port import Example
from agent.worker.gating import Gate
from edge_models.bundle import Bundle
from edge_models.engines.port import Engine, infer
from edge_models.errors import ArchiveError, InputError
from edge_models.manifest import Artifact, InputSpec
from edge_models.preprocess import Preprocessor
from edge_models.profile import Profile
from edge_models.signals import (
    class_count,
    input_signal_names,
    input_signals,
    output_signal_names,
    probabilities,
    read_answer,
)

_TINY = 1e-12

MonotonicNs = Callable[[], int]
"""A clock for stage times, such as ``time.perf_counter_ns``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTimes:
    """How long each stage of one frame took, in microseconds.

    ``cpu_us`` is the processor time of the first two together: what the model costs, however busy the machine is.
    """

    preprocess_us: float = 0.0
    infer_us: float = 0.0
    signals_us: float = 0.0
    cpu_us: float = 0.0

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
        calibrated: The confidence at the profile's temperature; None without classes or without a profile.
        signals: The drift signals in the order of ``Pipeline.signal_names``, (k,); None for a refused frame.
        example: What a learner may learn from; None for a refused frame, and where nothing learns.
        times: How long each stage took.
        refused: Why the frame was refused, one sentence; None when it was not.
        held: Whether nothing was run and this repeats the answer before, with its signals and without times.
    """

    predicted: int | None = None
    confidence: float | None = None
    margin: float | None = None
    calibrated: float | None = None
    signals: NDArray[np.float64] | None = None
    example: Example | None = None
    times: StageTimes = StageTimes()
    refused: str | None = None
    held: bool = False


class Pipeline:
    """Runs frames through one artifact.

    Args:
        spec: The manifest's input spec.
        artifact: The artifact that ``engine`` runs.
        engine: Owned by the caller, who closes it.
        clock_ns: For stage times only; no decision depends on it.
        cpu_ns: Processor time of this thread; ``clock_ns`` where it is not given.
        gating: Which frames are held; none without it.
        examples: Whether results carry examples; the artifact must have classes and an embedding.
        profile: The artifact's reference, which knows its embeddings and its temperature; None for neither.

    Attributes:
        classes: Labels that the artifact tells apart; 0 where it tells none.
        signal_names: Of the drift signals, in their order.
    """

    def __init__(
        self,
        *,
        spec: InputSpec,
        artifact: Artifact,
        engine: Engine,
        clock_ns: MonotonicNs,
        cpu_ns: MonotonicNs | None = None,
        gating: GatingConfig | None = None,
        examples: bool = False,
        profile: Profile | None = None,
    ) -> None:
        self._preprocessor = Preprocessor(spec)
        self._kind = spec.kind
        self._artifact = artifact
        self._engine = engine
        self._clock_ns = clock_ns
        self._cpu_ns = cpu_ns or clock_ns
        self._gate = None if gating is None else Gate(gating, rows=self._preprocessor.rows)
        self._embedding = artifact.output("embedding") if examples else None
        self._last = PipelineResult(held=True)
        self.classes = class_count(artifact)
        self._profile = profile
        self._known = None if profile is None else profile.embedding
        inputs = input_signal_names(spec.kind, self._preprocessor.output_shape)
        self.signal_names: tuple[str, ...] = inputs + output_signal_names(artifact, self._known)

    def run(self, frame: NDArray[Any]) -> PipelineResult | None:
        """Run one frame, or hold it; None while a window of rows is filling.

        Raises:
            EngineError: The runtime gave up on the model.
        """
        gate = self._gate
        if gate is None:
            return self._run(frame)
        gate.look(frame)
        if not self._preprocessor.is_windowed and gate.holds():
            return self._last
        result = self._run(frame)
        if result is None or result.held:
            return result
        if result.refused is not None:
            gate.forget()
        else:
            gate.ran()
            self._last = replace(result, times=StageTimes(), held=True)
        return result

    def _run(self, frame: NDArray[Any]) -> PipelineResult | None:
        start, cpu_start = self._clock_ns(), self._cpu_ns()
        try:
            if not self._preprocessor.push(frame):
                return None
            if self._gate is not None and self._preprocessor.is_windowed and self._gate.holds():
                return self._last
            x = self._preprocessor.input()
            preprocessed = self._clock_ns()
            outputs = infer(self._engine, x)
        except InputError as exc:
            return PipelineResult(refused=str(exc))
        inferred, cpu_us = self._clock_ns(), (self._cpu_ns() - cpu_start) / 1000
        if not all(np.isfinite(output).all() for output in outputs.values()):
            return PipelineResult(
                refused="the model's answer is no finite number", times=_times(start, preprocessed, inferred, cpu_us)
            )
        answer = self._answer(x, outputs)
        times = _times(start, preprocessed, inferred, cpu_us, self._clock_ns())
        return PipelineResult(**answer, times=times)

    def reset(self) -> None:
        """Forget the rows of an unfinished window and the answer to repeat, as when a source jumps."""
        self._preprocessor.reset()
        if self._gate is not None:
            self._gate.forget()

    def _answer(self, x: NDArray[np.float32], outputs: Mapping[str, NDArray[np.float32]]) -> dict[str, Any]:
        answer = read_answer(self._artifact, x, outputs, self._known)
        return {
            "predicted": answer.predicted,
            "confidence": answer.confidence,
            "margin": answer.margin,
            "calibrated": self._calibrated(outputs),
            "signals": np.concatenate((input_signals(self._kind, x), answer.signals)),
            "example": self._example(outputs),
        }

    def _calibrated(self, outputs: Mapping[str, NDArray[np.float32]]) -> float | None:
        output = self._artifact.output("logits", "probabilities")
        if output is None or self._profile is None:
            return None
        values = outputs[output.name].reshape(-1)
        logits = values if output.role == "logits" else np.log(np.maximum(values, _TINY))
        odds = np.exp((logits - np.maximum.reduce(logits)) / self._profile.temperature)
        return float(1.0 / np.add.reduce(odds))

    def _example(self, outputs: Mapping[str, NDArray[np.float32]]) -> Example | None:
        chances = None if self._embedding is None else probabilities(self._artifact, outputs)
        if self._embedding is None or chances is None:
            return None
        features = outputs[self._embedding.name].reshape(-1)
        return Example(features=features, logits=np.log(np.maximum(chances, _TINY)))


def open_pipeline(
    bundle: Bundle,
    artifact_name: str,
    engine: Engine,
    clock_ns: MonotonicNs,
    *,
    cpu_ns: MonotonicNs | None = None,
    gating: GatingConfig | None = None,
    examples: bool = False,
    profile: Profile | None = None,
) -> Pipeline:
    """The pipeline of a bundle's artifact on an engine that has it loaded.

    Raises:
        ArchiveError: The profile is of other embeddings than the artifact gives.
    """
    layer = bundle.artifact(artifact_name).output("embedding")
    width = None if layer is None else math.prod(layer.spec.shape)
    known = None if profile is None else profile.embedding
    if known is not None and width not in (None, known.width):
        raise ArchiveError(
            f"profile of {artifact_name}: found embeddings of {known.width} numbers, expected {width}; "
            "build the bundle again"
        )
    return Pipeline(
        spec=bundle.manifest.input,
        artifact=bundle.artifact(artifact_name),
        engine=engine,
        clock_ns=clock_ns,
        cpu_ns=cpu_ns,
        gating=gating,
        examples=examples,
        profile=profile,
    )


def _times(start: int, preprocessed: int, inferred: int, cpu_us: float, end: int | None = None) -> StageTimes:
    return StageTimes(
        preprocess_us=(preprocessed - start) / 1000,
        infer_us=(inferred - preprocessed) / 1000,
        signals_us=0.0 if end is None else (end - inferred) / 1000,
        cpu_us=cpu_us,
    )
