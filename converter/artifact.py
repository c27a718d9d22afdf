"""What hangs on an artifact: its tensors, golden inputs and what it requires; ``converter.profile`` has its profile.

All of it is taken through the artifact itself on the runtime of the device, never through Keras.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from converter.datasets.split import stratified
from converter.errors import ConversionError
from converter.evaluate import Answers, answers
from converter.measure import Figures
from converter.quantize.inspection import Inspection
from edge_models.engines.port import Engine
from edge_models.engines.tflite import TfliteEngine, TfliteModel
from edge_models.manifest import Artifact, OutputSpec, Probe, Requires, Tolerance
from edge_models.npz import read_npz, write_npz
from edge_models.quantize import quantize
from edge_models.selftest import INPUT_KEY, MAX_PROBE_BYTES, difference_lsb, output_key
from edge_models.tensors import TensorSpec

Role = Literal["logits", "probabilities", "embedding", "reconstruction"]

GOLDEN_INPUTS = 32
MIN_GOLDEN_INPUTS = 4
GOLDEN_BYTES = 1 << 20  # of large pictures there are fewer golden ones: every device downloads them
THRESHOLD_QUANTILE = 0.99  # of normal scores: one false alarm in a hundred normal inputs

_SPIKING = "spiking"  # the engine whose executors agree bit for bit, on every machine
_EXACT_LSB = 1
_EXACT_FLOAT_LSB = 8  # 1.2e-4 of the largest output: runtimes sum in another order
_DELEGATE_LSB = 8
_TOP1_AGREEMENT = 0.9


class Opener(Protocol):
    """Loads the file of an artifact into the engine that runs it."""

    def __call__(self, artifact: Artifact, data: bytes, *, delegates: bool) -> Engine:
        """The engine, which the caller closes."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Runnable:
    """An artifact in the making, and a running engine for measuring it.

    Attributes:
        name: In the bundle, such as ``tflite-int8``.
        artifact: Without figures.
        engine: On the runtime here, as in production.
        data: The file's bytes.
        opened: Loads it once more, with or without default delegates.
    """

    name: str
    artifact: Artifact
    engine: Engine
    data: bytes
    opened: Opener

    def answers(self, inputs: NDArray[np.float32]) -> Answers:
        """What it says to preprocessed inputs (n, ...)."""
        return answers(self.engine, self.artifact, inputs)

    def measured(self, figures: Figures) -> Artifact:
        """The artifact with what was measured on it."""
        overall = figures.overall
        found = {
            figures.metric: overall.artifact.value,
            f"float_{figures.metric}": None if overall.float32 is None else overall.float32.value,
            "agreement": figures.agreement,
            "sqnr_db": None if figures.sqnr_db is None else round(figures.sqnr_db, 2),
            "n_test": float(figures.n),
        }
        return replace(self.artifact, acceptance={name: value for name, value in found.items() if value is not None})

    def with_threshold(self, scores: NDArray[np.float64]) -> Runnable:
        """The same with the score above which an input counts as anomalous.

        Args:
            scores: Of normal inputs that it has not learnt from, (n,).
        """
        threshold = float(np.quantile(scores, THRESHOLD_QUANTILE))
        return replace(self, artifact=replace(self.artifact, threshold=threshold))


def artifact_name(form: str) -> str:
    """Name of the artifact of a precision or input type.

    >>> artifact_name("int8")
    'tflite-int8'
    """
    return f"tflite-{form}"


def model_file(form: str) -> str:
    """Name of its file."""
    return f"model.{form}.tflite"


def open_artifact(data: bytes, inspection: Inspection, form: str, roles: Sequence[Role]) -> Runnable:
    """Load a file that has been inspected.

    Args:
        data: The .tflite file.
        inspection: What was found in it.
        form: int8, float16, ...; names the artifact and its files.
        roles: Of each output, in the file's order.

    Raises:
        EngineError: The runtime here refuses it.
    """
    loaded = TfliteModel(data, delegates=False)
    artifact = Artifact(
        engine="tflite",
        file=model_file(form),
        requires=Requires(runtimes=inspection.runtimes, ops=inspection.graph.ops),
        input=loaded.input.spec,
        outputs=_named([output.spec for output in loaded.outputs], roles),
        float_ops=inspection.float_ops,
        profile=f"{form}-profile.npz",
        probe=Probe(file=f"{form}-probe.npz", count=golden_count(loaded.input.spec)),
    )
    loaded.close()
    engine = TfliteEngine(artifact, data)
    return Runnable(name=artifact_name(form), artifact=artifact, engine=engine, data=data, opened=TfliteEngine)


def _named(specs: Sequence[TensorSpec], roles: Sequence[Role]) -> tuple[OutputSpec, ...]:
    """Each output under the name of its role; one whose role is taken under its number as well."""
    named = []
    for number, (spec, role) in enumerate(zip(specs, roles, strict=True)):
        name = role if role not in roles[:number] else f"{role}-{number}"
        named.append(OutputSpec(name=name, role=role, spec=spec))
    return tuple(named)


def golden_count(spec: TensorSpec) -> int:
    """Golden inputs of a model with this input."""
    return min(GOLDEN_INPUTS, max(MIN_GOLDEN_INPUTS, GOLDEN_BYTES // spec.size_bytes))


def probe_npz(runnable: Runnable, inputs: NDArray[np.float32], y: NDArray[np.int64]) -> bytes:
    """Golden inputs and the artifact's answers with default delegates off, all in stored codes."""
    artifact, count = runnable.artifact, runnable.artifact.probe.count
    chosen = np.resize(stratified(y, count, seed=0), count)  # tiny data sets repeat some
    codes = quantize(inputs[chosen].reshape(count, *artifact.input.shape), artifact.input)
    given = _golden_outputs(runnable, codes, delegates=False)
    return write_npz({INPUT_KEY: codes, **{output_key(name): values for name, values in given.items()}})


def with_tolerance(runnable: Runnable, probe: bytes) -> Runnable:
    """The same, allowed to differ from its golden outputs as far as the delegates here make it differ, twice over.

    A spiking artifact may not differ at all.

    Raises:
        ConversionError: It does, so it is not exact.
    """
    golden = read_npz(probe, max_bytes=MAX_PROBE_BYTES)
    given = _golden_outputs(runnable, golden[INPUT_KEY], delegates=True)
    seen = max(
        difference_lsb(given[output.name], golden[output_key(output.name)], output.spec)
        for output in runnable.artifact.outputs
    )
    if runnable.artifact.engine == _SPIKING:
        if seen:
            raise ConversionError(
                f"artifact {runnable.name} differs by {seen} from itself without delegates, expected 0 from integers; "
                "please report it with the recipe"
            )
        exact = Tolerance(exact_lsb=0, delegate_lsb=0, top1_agreement=1.0)
        return replace(runnable, artifact=replace(runnable.artifact, tolerance=exact))
    is_float = any(output.spec.dtype == "float32" for output in runnable.artifact.outputs)
    tolerance = Tolerance(
        exact_lsb=_EXACT_FLOAT_LSB if is_float else _EXACT_LSB,
        delegate_lsb=max(_DELEGATE_LSB, 2 * seen),
        top1_agreement=_TOP1_AGREEMENT,
    )
    return replace(runnable, artifact=replace(runnable.artifact, tolerance=tolerance))


def _golden_outputs(
    runnable: Runnable, codes: NDArray[np.generic], *, delegates: bool
) -> dict[str, NDArray[np.generic]]:
    engine = runnable.opened(runnable.artifact, runnable.data, delegates=delegates)
    try:
        given = [engine.run(frame) for frame in codes]
    finally:
        engine.close()
    return {output.name: np.stack([one[output.name] for one in given]) for output in runnable.artifact.outputs}
