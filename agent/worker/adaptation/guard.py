"""Lets a learner correct predictions only while the labels prove it better than the artifact alone.

Every label first tests, then trains (prequential evaluation). One of every few never trains: it goes into a held-out
buffer. A copy of the learner takes the others, and from time to time is held against the weights in use on that
buffer. Better ones come into use under the next revision; a copy that got worse starts again from those in use. The
weights in use are watched as well: when they do worse than the un-adapted artifact on what came last, they go.

What is better is told by the examples on which two of them differ (McNemar 1947): by one standard deviation to come
into use, by two to be taken out of it. It is tested again and again, so a revision by luck happens, and the watch on
the last labels is what takes it back.

Reference: Gama, Sebastiao & Rodrigues, On evaluating stream learning algorithms (Machine Learning 90, 2013).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from agent.config import AdaptationConfig
from agent.worker.adaptation.port import Adaptation, Example
from agent.worker.adaptation.saved import Saved, Version

UNADAPTED = 0
"""The revision of an artifact that nobody corrects."""
MIN_HELD_OUT = 12  # with fewer no copy is judged: two of twelve are the least that can be told from luck

IN_SIGMAS, OUT_SIGMAS = 1.0, 2.0  # two is five of five, or a fifth of a hundred

Reason = Literal["learnt", "rolled_back", "undone"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Other weights came into use.

    Attributes:
        rev: Their revision; 0 for none.
        why: What led to it.
        labels: Labels taken so far by this worker.
        accuracy: Of the weights that are now in use, on what decided.
        unadapted: Of the artifact alone, on the same.
    """

    rev: int
    why: Reason
    labels: int
    accuracy: float | None = None
    unadapted: float | None = None


class Guard:
    """A learner under guard.

    Args:
        make: Gives a fresh learner.
        config: How much is held out, and how often it is judged.

    Attributes:
        rev: Revision of the weights in use; 0 while predictions are the artifact's own.
        labels: Labels taken so far.
    """

    def __init__(self, make: Callable[[], Adaptation], config: AdaptationConfig) -> None:
        self.rev = UNADAPTED
        self._config = config
        self._in_use, self._training = make(), make()
        self._fresh = self._in_use.weights()
        self._previous: Version | None = None
        self._last_rev = UNADAPTED
        self.labels = self._learnt = 0
        self._held_out: deque[tuple[Example, int]] = deque(maxlen=config.buffer)
        self._tests: deque[tuple[bool, bool]] = deque(maxlen=config.buffer)  # adapted right, un-adapted right

    def predict(self, example: Example) -> NDArray[np.float64]:
        """Logits by the weights in use (c,)."""
        return self._in_use.predict(example)

    def learn(self, example: Example, label: int) -> Change | None:
        """Take the true class of an example; what came into use by it, if anything."""
        self.labels += 1
        if self.rev != UNADAPTED:
            self._tests.append((_right(self.predict(example), label), _right(example.logits, label)))
            if _clearly_more(((base, adapted) for adapted, base in self._tests), sigmas=OUT_SIGMAS):
                return self._give_up()
        if self.labels % self._config.held_out_every == 0:
            self._held_out.append((example, label))
            return None
        self._training.learn(example, label)
        self._learnt += 1
        due = self._learnt % self._config.judge_every == 0 and len(self._held_out) >= MIN_HELD_OUT
        return self._judge() if due else None

    def undo(self) -> Change | None:
        """Go back to the weights before, or else to none; the labels at hand are no longer trusted."""
        was_in_use = self.rev != UNADAPTED
        back, self._previous = self._previous or Version(rev=UNADAPTED, weights=self._fresh), None
        self._use(back)
        self._training.restore(back.weights)
        self._held_out.clear()
        if not was_in_use:
            return None
        return Change(rev=self.rev, why="undone", labels=self.labels)

    def save(self) -> bytes:
        """What another worker needs to go on with the same weights."""
        in_use = Version(rev=self.rev, weights=self._in_use.weights())
        saved = Saved(learner=self._in_use.name, in_use=in_use, previous=self._previous, last_rev=self._last_rev)
        return saved.to_bytes()

    def restore(self, data: bytes) -> None:
        """Go on where ``save`` was called; labels that waited in a buffer are lost.

        Raises:
            ArchiveError: The bytes are not of a learner of this kind and size.
        """
        saved = Saved.from_bytes(data, self._in_use.name, self._fresh)
        self._previous, self._last_rev = saved.previous, saved.last_rev
        self._use(saved.in_use)
        self._training.restore(saved.in_use.weights)

    def _judge(self) -> Change | None:
        if not all(np.isfinite(weights).all() for weights in self._training.weights().values()):
            self._training.restore(self._in_use.weights())
            return None
        unadapted = [_right(example.logits, label) for example, label in self._held_out]
        in_use = [_right(self._in_use.predict(example), label) for example, label in self._held_out]
        trained = [_right(self._training.predict(example), label) for example, label in self._held_out]
        if _clearly_more(zip(in_use, trained, strict=True), sigmas=OUT_SIGMAS):
            self._training.restore(self._in_use.weights())
        if not _clearly_more(zip(trained, in_use, strict=True)) or sum(trained) < sum(unadapted):
            return None
        self._previous = Version(rev=self.rev, weights=self._in_use.weights())
        self._last_rev += 1
        self._use(Version(rev=self._last_rev, weights=self._training.weights()))
        return self._change("learnt", trained, unadapted)

    def _give_up(self) -> Change:
        tests = list(self._tests)
        self._previous = None
        self._use(Version(rev=UNADAPTED, weights=self._fresh))
        self._training.restore(self._fresh)
        right = [base for _, base in tests]
        return self._change("rolled_back", right, right)

    def _use(self, version: Version) -> None:
        self.rev = version.rev
        self._in_use.restore(version.weights)
        self._tests.clear()

    def _change(self, why: Reason, right: list[bool], unadapted: list[bool]) -> Change:
        return Change(
            rev=self.rev,
            why=why,
            labels=self.labels,
            accuracy=sum(right) / len(right),
            unadapted=sum(unadapted) / len(unadapted),
        )


def _right(logits: NDArray[np.float64], label: int) -> bool:
    return int(logits.argmax()) == label


def _clearly_more(pairs: Iterable[tuple[bool, bool]], *, sigmas: float = IN_SIGMAS) -> bool:
    """Whether the first of each pair is right more often than the second, by more than chance would do alone.

    >>> _clearly_more([(True, False), (True, False), (True, True)])
    True
    >>> _clearly_more([(True, False), (True, False), (False, True)])
    False
    """
    gained = lost = 0
    for first, second in pairs:
        gained += first and not second
        lost += second and not first
    return gained - lost > sigmas * math.sqrt(gained + lost)
