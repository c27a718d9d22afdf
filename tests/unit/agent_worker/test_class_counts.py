"""Shares of predicted classes need many frames, and must not speak of a drift that is over."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agent import ipc
from agent.core.severity import measured
from agent.worker.drift.verdicts import Findings, Sample, VerdictCounter
from edge_models.profile import build_profile

SIZE = 200
CLASSES = 10
EVEN = np.full(CLASSES, 0.1)
TRIPLED = np.array([0.3, *[0.7 / 9] * 9])
FINDINGS = Findings(
    thin=1, commissioned=True, is_learning=False, attribution={}, changed_at=None, faults={}, labelled=0,
    labelled_accuracy=None,
)  # fmt: skip


class Counted:
    """A verdict counter on one signal that never moves."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        values = self.rng.normal(size=(4000, 1))
        self.profile = build_profile(("light",), values, self.rng.choice(CLASSES, 4000, p=EVEN), CLASSES)
        self.counter = VerdictCounter(self.profile, size=SIZE)
        self.position = 0

    def verdict(self, shares: NDArray[np.float64]) -> ipc.Verdict:
        """The next one, on frames whose classes have these shares."""
        for label in self.rng.choice(CLASSES, SIZE, p=shares).tolist():
            self.counter.count(self.position)
            values = self.rng.normal(size=1)
            self.counter.add(
                Sample(position=self.position, values=values, predicted=label, calibrated=None, health=(False, False))
            )
            self.position += 1
        return self.counter.close(self.profile.contexts, FINDINGS)


def is_over(verdict: ipc.Verdict) -> bool:
    weighed = measured(verdict)
    return weighed is not None and weighed.is_over


def test_shares_that_differ_for_good_are_over_once_there_are_enough_frames() -> None:
    found = []
    for seed in range(10):
        counted = Counted(seed)
        verdicts = [counted.verdict(TRIPLED) for _ in range(7)]
        assert not any(is_over(verdict) for verdict in verdicts[:4])
        found.append(all(is_over(verdict) for verdict in verdicts[4:]))

    assert sum(found) >= 9


def test_a_lasting_difference_is_counted_through_its_alarms() -> None:
    counted = Counted()
    for _ in range(4):
        counted.verdict(TRIPLED)
        counted.counter.restart()

    assert is_over(counted.verdict(TRIPLED))


def test_calm_frames_are_counted_on() -> None:
    counted = Counted()

    assert [counted.verdict(EVEN).class_n for _ in range(6)] == [200, 400, 600, 800, 1000, 1000]


def test_a_short_drift_of_classes_is_not_seen_on_when_it_has_gone() -> None:
    one_class = np.eye(CLASSES)[3]
    still = []
    for seed in range(10):
        counted = Counted(seed)
        for shares in (EVEN, EVEN, EVEN, one_class, one_class):
            counted.verdict(shares)
        still.append(is_over(counted.verdict(EVEN)))

    assert not any(still)
