"""What one worker leaves to the next: what it knew of drift and had learnt, and the undo and frames nobody took."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from agent import ipc
from agent.core.commands import DriftKind
from agent.core.records import ActiveRecord
from agent.process import WorkerProcess

DRIFT_KINDS: tuple[DriftKind, ...] = ("contexts", "trigger")
HELD_BACK = 64  # frames by topic that wait for the next worker

Learnt = Callable[[str, str], bytes | None]
DriftKnown = Callable[[str, DriftKind], bytes | None]


class Handover:
    """Brings back what is stored, and what the last worker said on leaving, which is stored a moment later.

    Args:
        learnt: Gives what was learnt on an artifact of a bundle, as it was last stored; None where nothing learns.
        drift_known: Gives what a worker of a bundle knew of the stream, as it was last stored.

    Attributes:
        undo_of: Bundle whose next worker has to take back what was learnt; empty for none.
    """

    def __init__(self, *, learnt: Learnt | None, drift_known: DriftKnown | None) -> None:
        self.undo_of = ""
        self._learnt = learnt
        self._drift_known = drift_known
        self._frames: deque[tuple[ipc.FrameIn, bytes]] = deque(maxlen=HELD_BACK)
        self._last: dict[tuple[str, DriftKind], bytes] = {}

    def note(self, bundle: str, saved: ipc.DriftSaved, body: bytes) -> None:
        """A worker of ``bundle`` tells what the next one needs."""
        self._last[bundle, saved.kind] = body

    def hold_back(self, message: ipc.FrameIn, body: bytes) -> None:
        """Keep a frame by topic for the next worker; the oldest go first when there are too many."""
        self._frames.append((message, body))

    def give(self, process: WorkerProcess, active: ActiveRecord, *, go: ipc.Go | None = None) -> None:
        """Tell a fresh worker all of it, and one on standby to go.

        Contexts go first, because the trigger's state is on them. A bundle that never ran gets the trigger's state of
        the one before: the worker takes from it what is known of the site, such as how alike neighbouring frames are.
        """
        for kind in DRIFT_KINDS:
            known = self._known(active.bundle, kind)
            if known is None and kind == "trigger" and active.previous is not None:
                known = self._known(active.previous.bundle, kind)
            if known is not None:
                process.send(ipc.RestoreDrift(kind=kind), known)
        self._last.clear()
        self._give_learnt(process, active)
        if go is not None:
            process.send(go)
        while self._frames:
            process.send(*self._frames.popleft())

    def _give_learnt(self, process: WorkerProcess, active: ActiveRecord) -> None:
        if self._learnt is None:
            return
        learnt = self._learnt(active.bundle, active.artifact)
        if learnt is not None:
            process.send(ipc.RestoreAdaptation(), learnt)
        if self.undo_of == active.bundle:
            process.send(ipc.UndoAdaptation())
        self.undo_of = ""

    def _known(self, bundle: str, kind: DriftKind) -> bytes | None:
        if self._drift_known is None:
            return None
        said = self._last.get((bundle, kind))
        return said or None if said is not None else self._drift_known(bundle, kind)
