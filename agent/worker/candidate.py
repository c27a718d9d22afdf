"""A candidate model on trial: golden inputs first, then copies of the frames that the active model saw.

It runs in a process of its own, with limits, because a model that is not known to be good may end its process or take
all memory. It judges nothing but its own self-test: whether agreement is enough is the supervisor's decision.
"""

from __future__ import annotations

import resource
from pathlib import Path
from statistics import median
from typing import Any

from numpy.typing import NDArray

from agent.errors import IpcError
from agent.ipc import Configure, FrameIn, Heartbeat, Message, SelfTest, ShadowVerdict
from agent.memory import release_unused
from agent.worker.drift.statistics import rolling_quantile
from agent.worker.engine_report import ready
from agent.worker.link import SupervisorLink
from agent.worker.opened_model import open_model
from agent.worker.pipeline import MonotonicNs, PipelineResult, open_pipeline
from agent.worker.sources.mqtt_frames import frame_array
from edge_models.engines.port import Engine
from edge_models.selftest import run_probe

LATENCY_FRAMES = 1000
MEMORY_BYTES = 2 << 30  # of address space; a worker with a runtime maps about 0.7 GB, most of it never touched


class Candidate:
    """Tests a model and then answers every shadow frame with a verdict.

    Args:
        configure: Which model.
        link: To the supervisor.
        clock_ns: For latencies.

    Raises:
        BundleError: The bundle is not what its manifest says.
        EngineError: No runtime here runs the artifact.
    """

    def __init__(self, configure: Configure, link: SupervisorLink, clock_ns: MonotonicNs) -> None:
        self._link = link
        self._model = open_model(Path(configure.bundle_dir), configure.artifact, expected_id=configure.bundle)
        self._pipeline = open_pipeline(self._model.bundle, configure.artifact, self._model.engine, clock_ns)
        self._p95 = rolling_quantile(0.95, window_size=LATENCY_FRAMES)
        self._agree = self._refused = self._frames = 0
        self._position = 0
        self.due_s: float | None = None
        release_unused()
        link.send(ready(self._model))
        link.send(self._self_test(clock_ns))

    def heartbeat(self) -> Heartbeat:
        """How far it has come."""
        return Heartbeat(
            position=self._position, seq=self._frames, refused=self._refused, executor=self._model.engine.executor
        )

    def handle(self, message: Message, body: bytes) -> None:
        """Run a shadow frame; whatever else an active worker is told does not concern a candidate.

        Raises:
            EngineError: The runtime gave up on the model.
        """
        if not isinstance(message, FrameIn):
            return
        if message.encoding != "raw":
            raise IpcError("a shadow frame in text, expected raw bytes")
        result = self._pipeline.run(frame_array(message, body, self._model.bundle.manifest.input.source))
        if result is not None:
            self._count(result, message.label_of_active)
        self._position = (message.position or 0) + 1
        verdict = ShadowVerdict(n=self._frames, agree=self._agree, nan=self._refused, p95_us=self._p95.get() or 0.0)
        self._link.send(verdict)

    def work(self, now_s: float) -> None:
        """Nothing is ever due: a candidate only answers."""

    def leave(self) -> None:
        """Nothing: a candidate has no stream of its own."""

    def close(self) -> None:
        """Unload the model."""
        self._model.engine.close()

    def _count(self, result: PipelineResult, label_of_active: int | None) -> None:
        self._frames += 1
        self._p95.update(result.times.latency_us)
        if result.refused is not None:
            self._refused += 1
        elif result.predicted == label_of_active:
            self._agree += 1

    def _self_test(self, clock_ns: MonotonicNs) -> SelfTest:
        timed = _TimedEngine(self._model.engine, clock_ns)
        probe = run_probe(self._model.bundle, self._model.artifact_name, timed)
        return SelfTest(
            ok=probe.ok,
            reason=probe.reason,
            worst_lsb=probe.worst_lsb,
            top1=probe.top1_agreement,
            p50_us=median(timed.times_us),
        )


class _TimedEngine:
    """An engine that keeps how long each run took, in microseconds."""

    def __init__(self, engine: Engine, clock_ns: MonotonicNs) -> None:
        self.name = engine.name
        self.runtime = engine.runtime
        self.executor = engine.executor
        self.note = engine.note
        self.input = engine.input
        self.outputs = engine.outputs
        self.times_us: list[float] = []
        self._engine = engine
        self._clock_ns = clock_ns

    def run(self, codes: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Run one frame."""
        start = self._clock_ns()
        answer = self._engine.run(codes)
        self.times_us.append((self._clock_ns() - start) / 1000)
        return answer

    def close(self) -> None:
        """Leave the engine to its owner."""


def limit_resources() -> None:
    """Bound this process: address space, no core dumps, and the processor only when the active model leaves it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    bound = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MEMORY_BYTES, hard)
    if soft == resource.RLIM_INFINITY or soft > bound:
        resource.setrlimit(resource.RLIMIT_AS, (bound, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
