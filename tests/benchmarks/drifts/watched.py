"""Inputs through an artifact, as signals: what the device computes of each frame, by the functions that it uses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_models.bundle import Bundle
from edge_models.engines import open_engine
from edge_models.engines.port import infer
from edge_models.preprocess import Preprocessor
from edge_models.profile import Profile
from edge_models.signals import class_count, input_signals_batch, probabilities, read_answer, signal_names
from tests.benchmarks.drifts.cases import Pool

ARTIFACT = "tflite-int8"
_BATCH = 2000
_TINY = 1e-12


class Watcher:
    """Runs a bundle's int8 artifact.

    Attributes:
        bundle: The bundle.
        profile: The artifact's.
        names: Of the signals.
        classes: How many the artifact tells apart.
    """

    def __init__(self, bundle: Bundle) -> None:
        """Load the artifact."""
        self.bundle, self._artifact = bundle, bundle.artifact(ARTIFACT)
        assert self._artifact.profile is not None
        self.profile = Profile.from_npz(bundle.read(self._artifact.profile))
        self._kind = bundle.manifest.input.kind
        self._preprocessor = Preprocessor(bundle.manifest.input)
        self._engine = open_engine(bundle, ARTIFACT)
        shape = self._preprocessor.output_shape
        self.names = signal_names(self._kind, shape, self._artifact, self.profile.embedding)
        self.classes = class_count(self._artifact)
        layer = self._artifact.output("embedding")
        self._layer = None if layer is None else layer.name

    def close(self) -> None:
        """Unload the artifact."""
        self._engine.close()

    def frames(self, frames: NDArray[np.uint8], y: NDArray[np.int64]) -> Pool:
        """Frames (n, ...) as a source delivers them, and their classes."""
        inputs = [self._preprocessor.batch(frames[at : at + _BATCH]) for at in range(0, len(frames), _BATCH)]
        return self.inputs(np.concatenate(inputs), y)

    def inputs(self, x: NDArray[np.float32], y: NDArray[np.int64]) -> Pool:
        """Preprocessed inputs (n, ...) and their classes."""
        values = np.empty((len(x), len(self.names)))
        predicted = np.zeros(len(x), np.int64)
        features, logits = [], []
        for at in range(0, len(x), _BATCH):
            of_input = input_signals_batch(self._kind, x[at : at + _BATCH])
            values[at : at + len(of_input), : of_input.shape[1]] = of_input
        for row, one in enumerate(x):
            outputs = infer(self._engine, one)
            answer = read_answer(self._artifact, one, outputs, self.profile.embedding)
            values[row, len(self.names) - len(answer.signals) :] = answer.signals
            predicted[row] = answer.predicted or 0
            chances = probabilities(self._artifact, outputs)
            logits.append(np.empty(0) if chances is None else np.log(np.maximum(chances, _TINY)))
            features.append(np.empty(0) if self._layer is None else outputs[self._layer].reshape(-1))
        return Pool(
            values=values,
            predicted=predicted,
            y=y,
            features=np.stack(features).astype(np.float32),
            logits=np.stack(logits).astype(np.float32),
        )
