"""The golden-input test: does this artifact give here what it gave where it was built?

The converter asks it of every bundle that it writes, the agent's candidate worker of every bundle that it downloads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_models.npz import read_npz
from edge_models.tensors import TensorSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from edge_models.bundle import Bundle
    from edge_models.engines.port import Engine
    from edge_models.manifest import Artifact, Tolerance

MAX_PROBE_BYTES = 64 * 1024 * 1024
INPUT_KEY = "x"

_FLOAT_LSB = {"float32": 2.0**-16, "float16": 2.0**-9}  # of the largest golden value: floats never agree in all bits
_FAR_OFF_LSB = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """How an engine did on the golden inputs.

    Attributes:
        ok: Whether the device may run the artifact.
        worst_lsb: Largest difference of an output, in steps of its code; for floats in 2**-16 of the largest value.
        top1_agreement: Share of inputs with the same winning class; 1.0 for a model without classes.
        count: Number of golden inputs.
        reason: Why not ok, for people; empty otherwise.
    """

    ok: bool
    worst_lsb: int
    top1_agreement: float
    count: int
    reason: str


def output_key(name: str) -> str:
    """Key of an output's golden values in the probe file."""
    return f"y_{name}"


def run_probe(
    bundle: Bundle,
    artifact_name: str,
    engine: Engine,
    *,
    delegates: bool = True,
    after_each: Callable[[], None] | None = None,
) -> ProbeResult:
    """Run every golden input of an artifact through ``engine`` and compare.

    Args:
        bundle: Opened.
        artifact_name: Which artifact.
        engine: Loaded with that artifact.
        delegates: Whether the engine uses the runtime's default delegates; chooses the tolerance.
        after_each: Called after each input: all of them may take longer than somebody waits for a word.

    Raises:
        BundleError: The probe file is damaged or does not fit the artifact.
        EngineError: The runtime gave up.
    """
    artifact = bundle.artifact(artifact_name)
    golden = read_golden(bundle, artifact)
    found = []
    for x in golden[INPUT_KEY]:
        found.append(engine.run(x))
        if after_each is not None:
            after_each()
    return judge_answers(artifact, golden, found, delegates=delegates)


def judge_answers(
    artifact: Artifact,
    golden: Mapping[str, NDArray[Any]],
    found: Sequence[Mapping[str, NDArray[Any]]],
    *,
    delegates: bool = True,
) -> ProbeResult:
    """Compare an engine's answers to the golden inputs, one by one in their order, with the golden outputs."""
    given = {output.name: np.stack([answer[output.name] for answer in found]) for output in artifact.outputs}
    worst = max(difference_lsb(given[o.name], golden[output_key(o.name)], o.spec) for o in artifact.outputs)
    return _judge(artifact.tolerance, worst, _top1_agreement(artifact, given, golden), len(found), delegates=delegates)


def read_golden(bundle: Bundle, artifact: Artifact) -> dict[str, NDArray[Any]]:
    """The golden inputs ``x`` and outputs ``y_NAME`` of an artifact, all in stored codes.

    Raises:
        BundleError: The file is damaged, or has other arrays, shapes or dtypes than the artifact.
    """
    count = artifact.probe.count
    declared = {INPUT_KEY: _stacked(artifact.input, count)} | {
        output_key(output.name): _stacked(output.spec, count) for output in artifact.outputs
    }
    return read_npz(bundle.read(artifact.probe.file), max_bytes=MAX_PROBE_BYTES, declared=declared)


def _stacked(spec: TensorSpec, count: int) -> tuple[tuple[int, ...], str]:
    return (count, *spec.shape), spec.dtype


def difference_lsb(given: NDArray[Any], golden: NDArray[Any], spec: TensorSpec) -> int:
    """Largest difference of an output of ``spec`` from the golden one, in the units of ``ProbeResult.worst_lsb``."""
    if spec.dtype not in _FLOAT_LSB:
        larger, smaller = np.maximum(given, golden), np.minimum(given, golden)
        apart = larger.astype(np.int64).view(np.uint64) - smaller.astype(np.int64).view(np.uint64)  # never wraps around
        return min(int(apart.max()), _FAR_OFF_LSB)
    if not (np.isfinite(given).all() and np.isfinite(golden).all()):
        return _FAR_OFF_LSB
    exact, reached = golden.astype(np.float64), given.astype(np.float64)
    step = _FLOAT_LSB[spec.dtype] * max(float(np.abs(exact).max()), 1e-6)
    return int(min(np.ceil(np.abs(reached - exact).max() / step - 1e-9), _FAR_OFF_LSB))


def _top1_agreement(artifact: Artifact, given: Mapping[str, NDArray[Any]], golden: Mapping[str, NDArray[Any]]) -> float:
    output = artifact.output("logits", "probabilities")
    if output is None:
        return 1.0
    scores = golden[output_key(output.name)].reshape(artifact.probe.count, -1)
    winners = given[output.name].reshape(artifact.probe.count, -1).argmax(axis=1)
    chosen = np.take_along_axis(scores, winners[:, None], axis=1)[:, 0]
    return float((chosen == scores.max(axis=1)).mean())  # classes that tie in the golden output are equally right


def _judge(tolerance: Tolerance, worst_lsb: int, agreement: float, count: int, *, delegates: bool) -> ProbeResult:
    allowed = tolerance.delegate_lsb if delegates else tolerance.exact_lsb
    reasons = []
    if worst_lsb >= _FAR_OFF_LSB:
        reasons.append("an output is NaN or far off")
    elif worst_lsb > allowed:
        reasons.append(f"outputs differ by {worst_lsb} steps, at most {allowed} allowed")
    if agreement < tolerance.top1_agreement:
        reasons.append(f"{agreement:.3f} of the winners agree, at least {tolerance.top1_agreement:.3f} needed")
    return ProbeResult(
        ok=not reasons, worst_lsb=worst_lsb, top1_agreement=agreement, count=count, reason="; ".join(reasons)
    )
