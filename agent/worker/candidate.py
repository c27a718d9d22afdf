"""A candidate model on trial: golden inputs first, then copies of the frames that the active model saw.

It runs in a process of its own, with limits, because a model that is not known to be good may end its process or take
all memory. It judges nothing but its own self-test: it tells figures, and what they mean is the supervisor's decision.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

from numpy.typing import NDArray

from agent.errors import IpcError
from agent.ipc import Configure, Feedback, FrameIn, Heartbeat, Message, SelfTest
from agent.memory import release_unused, resident_kb
from agent.worker.engine_report import ready
from agent.worker.limits import proven
from agent.worker.link import SupervisorLink
from agent.worker.opened_model import open_model
from agent.worker.pipeline import MonotonicNs, open_pipeline
from agent.worker.sources.mqtt_frames import frame_array
from agent.worker.trial import Trial, run_copy
from edge_models.engines.port import Engine
from edge_models.selftest import run_probe
from edge_models.signals import output_signal_names


class Candidate:
    """Tests a model and then answers every shadow frame with a verdict.

    Args:
        configure: Which model.
        link: To the supervisor.
        clock_ns: Processor time of this thread: a candidate is to leave the processor to the active worker, so its
            own waits say nothing about the model.

    Raises:
        BundleError: The bundle is not what its manifest says.
        EngineError: No runtime here runs the artifact.
    """

    def __init__(self, configure: Configure, link: SupervisorLink, clock_ns: MonotonicNs) -> None:
        self._link = link
        self._model = open_model(Path(configure.bundle_dir), configure.artifact, expected_id=configure.bundle)
        artifact, profile = self._model.bundle.artifact(configure.artifact), self._model.profile
        self._pipeline = open_pipeline(
            self._model.bundle, configure.artifact, self._model.engine, clock_ns, profile=profile
        )
        outputs = output_signal_names(artifact, None if profile is None else profile.embedding)
        self._trial = Trial(profile, outputs=len(outputs), boot=configure.boot)
        self._position = 0
        self.due_s: float | None = None
        release_unused()
        link.send(ready(self._model))
        link.send(self._self_test(clock_ns))
        proven()

    def heartbeat(self) -> Heartbeat:
        """How far it has come."""
        return Heartbeat(
            position=self._position,
            seq=self._trial.frames,
            refused=self._trial.refused,
            executor=self._model.engine.executor,
            rss_kb=resident_kb(),
        )

    def handle(self, message: Message, body: bytes) -> None:
        """Run a shadow frame, or take the true class of one; whatever else there is does not concern a candidate.

        Raises:
            EngineError: The runtime gave up on the model.
        """
        if isinstance(message, Feedback):
            self._trial.label(message)
        if not isinstance(message, FrameIn):
            return
        if message.encoding != "raw":
            raise IpcError("a shadow frame in text, expected raw bytes")
        spec = self._model.bundle.manifest.input
        result = run_copy(self._pipeline, spec, frame_array(message, body, spec.source))
        if result is not None:
            self._trial.add(message, result)
        self._position = (message.position or 0) + 1
        self._link.send(self._trial.verdict())

    def work(self, now_s: float) -> None:
        """Nothing is ever due: a candidate only answers."""

    def leave(self) -> None:
        """Nothing: a candidate has no stream of its own."""

    def close(self) -> None:
        """Unload the model."""
        self._model.engine.close()

    def _self_test(self, clock_ns: MonotonicNs) -> SelfTest:
        timed = _TimedEngine(self._model.engine, clock_ns)
        probe = run_probe(
            self._model.bundle,
            self._model.artifact_name,
            timed,
            after_each=lambda: self._link.send(self.heartbeat()),  # or a slow model would look as if it hung
        )
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
