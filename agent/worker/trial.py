"""How a candidate compares with the active model over the frames that both have seen: figures only, no judgement."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.ipc import Feedback, FrameIn, ShadowVerdict
from agent.memory import resident_kb
from agent.worker.comparison import Constancy, Distance, Latencies
from agent.worker.opened_model import OpenedModel
from agent.worker.pacing import RateLimit
from agent.worker.pipeline import Pipeline, PipelineResult
from edge_models.manifest import InputSpec
from edge_models.preprocess import Preprocessor
from edge_models.profile import Profile

LATENCY_FRAMES = 1000
REMEMBERED = 4096  # frames whose true class may still come; as many as the active worker remembers
EVERY = 16  # frames between two looks at what costs more than a frame


class Trial:
    """Counts.

    Args:
        profile: The candidate's reference; None without one.
        outputs: How many of its signals are of the output.
        boot: Number of the supervisor's start, as ids of predictions begin.
    """

    def __init__(self, profile: Profile | None, *, outputs: int, boot: int) -> None:
        self.frames = self.refused = 0
        self._agree = self._labelled = self._right = self._active_right = 0
        self._confidence, self._answered = 0.0, 0
        self._boot = str(boot)
        self._times = Latencies(LATENCY_FRAMES)
        self._distance = None if profile is None else Distance(profile)
        self._constancy = Constancy(outputs, profile)
        self._active_effect: float | None = None
        self._active_p95_us: float | None = None
        self._waiting: OrderedDict[int, tuple[int | None, int | None]] = OrderedDict()
        self._rss_kb = 0

    def add(self, message: FrameIn, result: PipelineResult) -> None:
        """Take a frame: what the active model made of it, and what the candidate did."""
        self.frames += 1
        self._times.add(result.times.cpu_us)
        if message.effect_of_active is not None:
            self._active_effect = message.effect_of_active
        if message.p95_us_of_active is not None:
            self._active_p95_us = message.p95_us_of_active
        if result.refused is not None or result.signals is None:
            self.refused += 1
            return
        self._agree += result.predicted == message.label_of_active
        if result.confidence is not None:
            self._confidence += result.confidence
            self._answered += 1
        self._constancy.add(result.signals, result.predicted)
        if self._distance is not None:
            self._distance.add(result.signals)
        if message.seq is not None:
            self._waiting[message.seq] = (result.predicted, message.label_of_active)
            if len(self._waiting) > REMEMBERED:
                self._waiting.popitem(last=False)

    def label(self, feedback: Feedback) -> None:
        """Take the true class of a frame; of one that was not seen, or twice, it is ignored."""
        boot, _, seq = feedback.id.partition("-")
        if boot != self._boot or not seq.isdecimal() or int(seq) not in self._waiting:
            return
        predicted, of_active = self._waiting.pop(int(seq))
        self._labelled += 1
        self._right += predicted == feedback.label
        self._active_right += of_active == feedback.label

    def verdict(self) -> ShadowVerdict:
        """All of it."""
        if self.frames % EVERY == 1 or not self._rss_kb:
            self._rss_kb = resident_kb()
        return ShadowVerdict(
            n=self.frames,
            agree=self._agree,
            nan=self.refused,
            p95_us=self._times.p95_us(every=EVERY) or 0.0,
            constant=self._constancy.is_constant and not self._constancy.changes,
            confidence=self._confidence / self._answered if self._answered else None,
            effect=None if self._distance is None else self._distance.value(every=EVERY),
            active_effect=self._active_effect,
            active_p95_us=self._active_p95_us,
            labelled=self._labelled,
            right=self._right,
            active_right=self._active_right,
            rss_kb=self._rss_kb,
        )


class Shadowed:
    """The active model's side: the same figures over the frames that are copied for a candidate, and those frames.

    Where inputs are windows of rows, a whole window is copied at once, so that the candidate has the rows in between,
    too, however seldom it is asked.

    Args:
        profile: The active model's reference; None without one.
        rows: Frames that one input is made of.
        rate_hz: Largest rate of copies.
    """

    def __init__(self, profile: Profile | None, *, rows: int = 1, rate_hz: float = math.inf) -> None:
        self._times = Latencies(LATENCY_FRAMES)
        self._distance = None if profile is None else Distance(profile)
        self._limit = RateLimit(rate_hz=rate_hz)
        self._last: deque[NDArray[Any]] = deque(maxlen=rows)

    @classmethod
    def of(cls, model: OpenedModel, *, rate_hz: float) -> Shadowed:
        """For a loaded model."""
        rows = Preprocessor(model.bundle.manifest.input).rows
        return cls(model.profile, rows=rows, rate_hz=rate_hz)

    def wants(self, now_s: float) -> bool:
        """Whether the rate allows another copy now."""
        return self._limit.allows(now_s)

    def see(self, x: NDArray[Any]) -> None:
        """Take each frame of the source, before it is run."""
        self._last.append(x)

    def input(self) -> NDArray[Any] | None:
        """What the last answer was given to: a frame, or the rows of a window, stacked; None before there are all."""
        if self._last.maxlen == 1:
            return self._last[0] if self._last else None
        same = len(self._last) == self._last.maxlen and len({row.shape for row in self._last}) == 1
        return np.stack(self._last) if same else None

    def add(self, result: PipelineResult) -> None:
        """Take a frame that is copied."""
        self._times.add(result.times.cpu_us)
        if self._distance is not None and result.signals is not None:
            self._distance.add(result.signals)

    @property
    def effect(self) -> float | None:
        """Drift over the copied frames; None without a profile."""
        return None if self._distance is None else self._distance.value(every=EVERY)

    @property
    def p95_us(self) -> float | None:
        """95th percentile of their times."""
        return self._times.p95_us(every=EVERY)


def run_copy(pipeline: Pipeline, spec: InputSpec, x: NDArray[Any]) -> PipelineResult | None:
    """Run a copy through a candidate: a frame, or the rows of a window; None when it needs more rows than there are.

    Raises:
        EngineError: The runtime gave up on the model.
    """
    if x.ndim <= len(spec.source.shape):
        return pipeline.run(x)
    pipeline.reset()
    result = None
    for row in x:
        result = pipeline.run(row) or result
    return result
