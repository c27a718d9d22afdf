"""Everything that hangs on an artifact: its tensors, golden inputs, reference profile and what it requires.

All of it is taken through the artifact itself on the runtime of the device, never through Keras.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from converter.datasets.split import stratified
from converter.evaluate import Answers, answers
from converter.gates import Figures
from converter.quantize.graph import check_int8, read_graph, runtimes_for
from edge_models.engines.tflite import TfliteEngine, TfliteModel
from edge_models.manifest import Artifact, InputSpec, OutputSpec, Probe, Requires, Tolerance
from edge_models.npz import write_npz
from edge_models.profile import build_profile
from edge_models.quantize import quantize
from edge_models.selftest import INPUT_KEY, output_key
from edge_models.signals import OUTPUT_SIGNALS, input_signal_names, input_signals_batch, output_signals

MODEL_FILE = "model.int8.tflite"
PROFILE_FILE = "int8-profile.npz"
PROBE_FILE = "int8-probe.npz"
INT8_ARTIFACT = "tflite-int8"
GOLDEN_INPUTS = 32
_LOGITS = "logits"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Int8Artifact:
    """The int8 artifact without its figures, and a running engine for measuring them."""

    artifact: Artifact
    engine: TfliteEngine
    data: bytes

    def answers(self, inputs: NDArray[np.float32]) -> Answers:
        """What it says to preprocessed inputs (n, ...)."""
        return answers(self.engine, self.artifact, inputs)

    def measured(self, figures: Figures) -> Artifact:
        """The artifact with what was measured on it."""
        acceptance = {
            "accuracy": figures.int8_accuracy,
            "float_accuracy": figures.float_accuracy,
            "agreement": figures.agreement,
            "sqnr_db": round(figures.sqnr_db, 2),
            "n_test": float(figures.n_test),
        }
        return replace(self.artifact, acceptance=acceptance)


def open_int8(data: bytes) -> Int8Artifact:
    """Inspect and load a converted file.

    Raises:
        ConversionError: It is not really quantised, or no runtime loads it.
        EngineError: The runtime here refuses it.
    """
    graph = read_graph(data)
    check_int8(graph)
    loaded = TfliteModel(data, delegates=False)
    artifact = Artifact(
        engine="tflite",
        file=MODEL_FILE,
        requires=Requires(runtimes=runtimes_for(graph), ops=graph.ops),
        input=loaded.input.spec,
        outputs=(OutputSpec(name=_LOGITS, role="logits", spec=loaded.outputs[0].spec),),
        profile=PROFILE_FILE,
        probe=Probe(file=PROBE_FILE, count=GOLDEN_INPUTS),
        tolerance=Tolerance(exact_lsb=1, delegate_lsb=8, top1_agreement=0.9),
    )
    loaded.close()
    return Int8Artifact(artifact=artifact, engine=TfliteEngine(artifact, data), data=data)


def float_logits(data: bytes, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits (n, classes) of a float32 .tflite file."""
    model = TfliteModel(data)
    try:
        return np.stack([model.run(x.reshape(model.input.spec.shape))[0].reshape(-1) for x in inputs])
    finally:
        model.close()


def profile_npz(int8: Int8Artifact, spec: InputSpec, inputs: NDArray[np.float32], classes: int) -> bytes:
    """The reference profile of held-out inputs, taken through the artifact."""
    given = int8.answers(inputs)
    names = (*input_signal_names(spec.kind, inputs.shape[1:]), *OUTPUT_SIGNALS)
    values = np.concatenate([input_signals_batch(spec.kind, inputs), output_signals(given.probabilities)], axis=1)
    return build_profile(names, values, given.predicted, classes).to_npz()


def probe_npz(int8: Int8Artifact, inputs: NDArray[np.float32], y: NDArray[np.int64]) -> bytes:
    """Golden inputs and the artifact's answers with default delegates off, all in stored codes."""
    exact = TfliteEngine(int8.artifact, int8.data, delegates=False)
    chosen = stratified(y, GOLDEN_INPUTS, seed=0)
    chosen = np.resize(chosen, GOLDEN_INPUTS)  # tiny data sets repeat some
    codes = quantize(inputs[chosen].reshape(GOLDEN_INPUTS, *int8.artifact.input.shape), int8.artifact.input)
    given = np.stack([exact.run(frame)[_LOGITS] for frame in codes])
    exact.close()
    return write_npz({INPUT_KEY: codes, output_key(_LOGITS): given})


def sqnr_db(reference: NDArray[np.float32], found: NDArray[np.float32]) -> float:
    """Signal-to-quantisation-noise ratio of outputs, in dB."""
    noise = float(((reference - found) ** 2).sum())
    return 10 * math.log10(max(float((reference**2).sum()), 1e-30) / max(noise, 1e-30))
