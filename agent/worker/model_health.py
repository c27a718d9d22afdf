"""How the model does on the last frames of this worker, and whether it still answers the golden inputs as it did.

A frame costs a few microseconds: what it gave is put away, and looked at when as many frames again have come, or
another 256. The golden inputs are run once after the start, one at a time and not more often than once in half a
second, so that no frame waits for more than one of them; and again every ten minutes, for memory that has gone bad.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from agent.ipc import ModelHealth
from agent.worker.comparison import Constancy, Distance, Latencies
from agent.worker.opened_model import OpenedModel
from agent.worker.pipeline import PipelineResult
from edge_models.bundle import Bundle
from edge_models.engines.port import Engine
from edge_models.manifest import Artifact
from edge_models.profile import Profile
from edge_models.selftest import INPUT_KEY, judge_answers, read_golden
from edge_models.signals import output_signal_names

CONFIDENCE = "confidence"  # the signal
FIRST = 32  # frames before there is anything to tell
BLOCK = 256
LAST_BLOCKS = 4  # of which the figures are
GOLDEN_PAUSE_S = 0.5
GOLDEN_PERIOD_S = 600.0


class Health:
    """Counts.

    Args:
        profile: The artifact's reference; None without one.
        outputs: How many of its signals are of the output.
    """

    def __init__(self, profile: Profile | None, *, outputs: int) -> None:
        self._profile = profile
        self._blocks: list[_Block] = [_Block(profile)]
        self._constancy = Constancy(outputs, profile)
        self._times = Latencies(BLOCK * LAST_BLOCKS)
        self._reference = _reference_confidence(profile)
        self._seen = 0
        self._look_at = FIRST
        self._last: ModelHealth | None = None

    def add(self, result: PipelineResult) -> None:
        """Take a frame that was run, a refused one included."""
        self._seen += 1
        block = self._blocks[-1]
        if block.n >= BLOCK:
            block = _Block(self._profile)
            self._blocks.append(block)
            if len(self._blocks) > LAST_BLOCKS:
                del self._blocks[0]
        block.n += 1
        if result.signals is None:
            block.not_finite += result.times.infer_us > 0  # one that was run: other refused frames are no fault of it
            return
        self._times.add(result.times.cpu_us)
        self._constancy.add(result.signals, result.predicted)
        if result.confidence is not None:
            block.confidence += result.confidence
            block.answered += 1
        if block.distance is not None:
            block.distance.add(result.signals)

    def figures(self, golden_ok: bool | None) -> ModelHealth | None:  # noqa: FBT001 - a verdict, not a switch
        """All of it; None before there is enough to say anything."""
        not_finite = sum(block.not_finite for block in self._blocks)
        last = self._last
        if self._seen >= self._look_at or (last is not None and last.not_finite != not_finite):
            self._look_at = self._seen + min(self._seen, BLOCK)
            self._last = last = self._measured(not_finite)
        if last is None and golden_ok is None and not not_finite:
            return None
        if last is None:
            last = ModelHealth(n=self._seen, not_finite=not_finite)
        return _with_golden(last, golden_ok)

    def _measured(self, not_finite: int) -> ModelHealth:
        blocks = self._blocks
        answered = sum(block.answered for block in blocks)
        return ModelHealth(
            n=sum(block.n for block in blocks),
            not_finite=not_finite,
            constant=self._constancy.is_constant,
            confidence=sum(block.confidence for block in blocks) / answered if answered else None,
            reference_confidence=self._reference,
            p95_us=self._times.p95_us(),
            effect=self._effect(),
        )

    def _effect(self) -> float | None:
        if self._profile is None:
            return None
        together = Distance(self._profile)
        for block in self._blocks:
            if block.distance is not None:
                together.take_over(block.distance)
        return together.value()


class _Block:
    """Some frames in a row."""

    __slots__ = ("answered", "confidence", "distance", "n", "not_finite")

    def __init__(self, profile: Profile | None) -> None:
        self.n = self.not_finite = self.answered = 0
        self.confidence = 0.0
        self.distance = None if profile is None else Distance(profile)


class Golden:
    """Runs the golden inputs, one at a time, when it is asked to.

    Args:
        bundle: Of the artifact.
        artifact: What ``engine`` runs.
        engine: The engine, between two frames.
        is_exact: Whether it answers as when it was built; False for one that is not, by configuration.

    Attributes:
        ok: Whether the last whole round gave the golden outputs; None before one.
        due_s: When the next input is to be run; None for never.
    """

    def __init__(self, bundle: Bundle, artifact: Artifact, engine: Engine, *, is_exact: bool) -> None:
        self.ok: bool | None = None
        self.due_s: float | None = 0.0 if is_exact else None
        self._bundle = bundle
        self._artifact = artifact
        self._engine = engine
        self._golden: Mapping[str, NDArray[Any]] = {}
        self._found: list[dict[str, NDArray[Any]]] = []

    def proven(self, now_s: float) -> None:
        """A worker on standby has run them all, just now."""
        if self.due_s is not None:
            self.ok, self.due_s = True, now_s + GOLDEN_PERIOD_S

    def step(self, now_s: float) -> None:
        """Run the next input, if one is due.

        Raises:
            BundleError: The golden inputs cannot be read.
            EngineError: The runtime gave up.
        """
        if self.due_s is None or now_s < self.due_s:
            return
        if not self._golden:
            self._golden = read_golden(self._bundle, self._artifact)
        inputs = self._golden[INPUT_KEY]
        self.due_s = now_s + GOLDEN_PAUSE_S
        self._found.append(self._engine.run(inputs[len(self._found)]))
        if len(self._found) == len(inputs):
            self.ok = judge_answers(self._artifact, self._golden, self._found).ok
            self.due_s = now_s + GOLDEN_PERIOD_S
            self._golden, self._found = {}, []  # they are read again: a page gone bad is not looked at twice


def open_health(model: OpenedModel, *, is_exact: bool) -> tuple[Health, Golden]:
    """Both, for a loaded model; ``is_exact`` as for ``Golden``."""
    artifact = model.bundle.artifact(model.artifact_name)
    known = None if model.profile is None else model.profile.embedding
    outputs = len(output_signal_names(artifact, known))
    golden = Golden(model.bundle, artifact, model.engine, is_exact=is_exact)
    return Health(model.profile, outputs=outputs), golden


def _with_golden(health: ModelHealth, golden_ok: bool | None) -> ModelHealth:  # noqa: FBT001 - a verdict, not a switch
    return health if golden_ok is health.golden_ok else replace(health, golden_ok=golden_ok)


def _reference_confidence(profile: Profile | None) -> float | None:
    if profile is None or CONFIDENCE not in profile.signals:
        return None
    return float(profile.mean[profile.signals.index(CONFIDENCE)])
