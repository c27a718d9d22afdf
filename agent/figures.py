"""What ``state`` tells about the active worker, added up over all workers of this start."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from agent import ipc

RATE_WINDOW_S = 10.0  # over which the rate is taken
SOURCE_OK = "ok"
SOURCE_ENDED = "ended"


@dataclass(slots=True, kw_only=True)
class Figures:
    """Counts and facts.

    Attributes:
        frames: Frames answered.
        held: Of them, frames that gating held.
        refused: Frames that could not be used.
        restarts: Workers that had to be replaced.
        runtime: What runs the model.
        executor: How it is run.
        note: Why that is slower than it could be; None where nothing is missing.
        mean_steps: Time steps that a frame takes on average; None for an engine without them.
        adapted_rev: What was learnt here and is in use; None where nothing learns.
        window: The last full window.
        stages: Latency histograms of the present worker, encoded as ``edge_models.latency`` has it.
        source: ``ok``, or why the source delivers nothing; None where nothing is known yet.
    """

    frames: int = 0
    held: int = 0
    refused: int = 0
    restarts: int = 0
    runtime: str | None = None
    executor: str | None = None
    note: str | None = None
    mean_steps: float | None = None
    adapted_rev: int | None = None
    window: ipc.Window | None = None
    stages: dict[str, str] = field(default_factory=dict)
    source: str | None = None
    _last: ipc.Heartbeat = field(default_factory=lambda: ipc.Heartbeat(position=0, seq=0))
    _marks: deque[tuple[float, int]] = field(default_factory=deque)

    def begin(self) -> None:
        """A fresh worker counts from nothing, and nothing is known of its model yet."""
        self._last = ipc.Heartbeat(position=0, seq=0)
        self.runtime = self.executor = self.note = self.mean_steps = self.adapted_rev = self.source = None
        self.stages = {}

    def loaded(self, ready: ipc.Ready) -> None:
        """It has its model."""
        self.runtime, self.executor, self.note = ready.runtime, ready.executor or None, ready.note or None

    def beat(self, beat: ipc.Heartbeat, now_s: float) -> None:
        """It tells how far it has come."""
        last, self._last = self._last, beat
        self.frames += max(0, beat.seq - last.seq)
        self.held += max(0, beat.held - last.held)
        self.refused += max(0, beat.refused - last.refused)
        self.runtime, self.executor = beat.runtime or self.runtime, beat.executor or self.executor
        self.mean_steps, self.adapted_rev = beat.mean_steps, beat.adapted_rev
        self.stages = beat.stages
        if self.source is None and beat.position > 0:
            self.source = SOURCE_OK
        self._marks.append((now_s, self.frames))
        while len(self._marks) > 2 and self._marks[0][0] < now_s - RATE_WINDOW_S:
            self._marks.popleft()

    @property
    def position(self) -> int:
        """Frames that the present worker has taken from its source, answered or not."""
        return self._last.position

    def source_word(self, word: ipc.SourceDown | ipc.SourceUp | ipc.SourceEnded) -> None:
        """Its source failed, delivers again or has no more frames."""
        match word:
            case ipc.SourceDown(reason=reason):
                self.source = reason
            case ipc.SourceUp():
                self.source = SOURCE_OK
            case ipc.SourceEnded():
                self.source = SOURCE_ENDED

    @property
    def source_is_down(self) -> bool:
        """Whether the last word was that it failed."""
        return self.source not in (None, SOURCE_OK, SOURCE_ENDED)

    def rate_hz(self, now_s: float) -> float:
        """Frames in a second, lately; 0 once the last word is old."""
        if len(self._marks) < 2 or self._marks[-1][0] < now_s - RATE_WINDOW_S:
            return 0.0
        (from_s, before), (to_s, after) = self._marks[0], self._marks[-1]
        return (after - before) / (to_s - from_s) if to_s > from_s else 0.0
