"""A worker that stands by: its model loaded and proven on the golden inputs, its source closed, until it is told to go.

The active worker of another model runs meanwhile. Once that has stopped, this one takes the next frame of the source.
"""

from __future__ import annotations

from collections.abc import Callable

from agent.ipc import Configure, Go, Heartbeat, Message
from agent.memory import release_unused, resident_kb
from agent.worker.adaptation.opening import guard_or_reason
from agent.worker.engine_report import ready
from agent.worker.link import SupervisorLink
from agent.worker.loop import Role
from agent.worker.opened_model import OpenedModel, open_configured
from agent.worker.pipeline import MonotonicNs
from agent.worker.stream import open_stream
from edge_models.errors import UnsupportedArtifactError
from edge_models.selftest import run_probe

OpenActive = Callable[[OpenedModel, Go], Role]


class Standby:
    """Waits for Go; messages that come before are for what it then becomes.

    Args:
        configure: What it will run.
        link: To the supervisor.
        open_active: Makes the active worker of the loaded model, where Go says.
        clock_ns: For stage times.

    Raises:
        DetectorError: The drift section names what does not exist.
        BundleError: The bundle is not what its manifest says.
        EngineError: No runtime here runs the artifact, or it gives other answers than where it was built.
    """

    def __init__(
        self,
        configure: Configure,
        link: SupervisorLink,
        open_active: OpenActive,
        clock_ns: MonotonicNs,
    ) -> None:
        self._open_active = open_active
        self._active: Role | None = None
        self._early: list[tuple[Message, bytes]] = []
        self._position = configure.position
        self._model = open_configured(configure)
        if configure.hold_codes == 0:  # else the engine is not exact, by configuration
            probe = run_probe(
                self._model.bundle,
                configure.artifact,
                self._model.engine,
                after_each=lambda: link.send(self.heartbeat()),  # or a slow model would look as if it hung
            )
            if not probe.ok:
                raise UnsupportedArtifactError(f"golden inputs of {configure.artifact}: {probe.reason}")
        artifact = self._model.bundle.artifact(configure.artifact)
        _, unadaptable = guard_or_reason(configure.adaptation, artifact)
        open_stream(self._model, configure.drift, clock_ns)  # in vain: imports what the first frame would wait for
        release_unused()
        link.send(ready(self._model, unadaptable))

    @property
    def due_s(self) -> float | None:
        """Nothing before Go."""
        return None if self._active is None else self._active.due_s

    def heartbeat(self) -> Heartbeat:
        """How far it has come."""
        if self._active is not None:
            return self._active.heartbeat()
        return Heartbeat(position=self._position, seq=0, rss_kb=resident_kb())

    def handle(self, message: Message, body: bytes) -> None:
        """Go, or keep for later."""
        if self._active is not None:
            self._active.handle(message, body)
        elif not isinstance(message, Go):
            self._early.append((message, body))
        else:
            self._active = self._open_active(self._model, message)
            for early in self._early:
                self._active.handle(*early)
            self._early.clear()

    def work(self, now_s: float) -> None:
        """A frame, if one is due."""
        if self._active is not None:
            self._active.work(now_s)

    def leave(self) -> None:
        """Tell what a later worker needs."""
        if self._active is not None:
            self._active.leave()

    def close(self) -> None:
        """Close the source and unload the model."""
        if self._active is not None:
            self._active.close()
        else:
            self._model.engine.close()
