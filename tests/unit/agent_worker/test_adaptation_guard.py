"""The guard: nothing comes into use unproven, nothing stays that got worse, and everything can be taken back."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.config import AdaptationConfig
from agent.worker.adaptation.delta_rule import DeltaRule
from agent.worker.adaptation.guard import MIN_HELD_OUT, UNADAPTED, Change, Guard
from agent.worker.adaptation.port import Example, Weights
from agent.worker.adaptation.saved import Saved, Version
from edge_models.errors import ArchiveError
from edge_models.npz import read_npz, write_npz

CONFIG = AdaptationConfig(held_out_every=3, judge_every=8)
LOGITS = np.array([1.0, 0.0])
EXAMPLE = Example(features=np.ones(1, np.float32), logits=LOGITS)
"""The artifact always says class 0."""


class Turner:
    """Answers the class that it was last told, from the first label on; nothing it does depends on the example."""

    name = "turner"

    def __init__(self) -> None:
        self._says = np.zeros(2, np.float32)
        self.learnt = 0

    def predict(self, example: Example) -> NDArray[np.float64]:
        return np.asarray(example.logits + self._says)

    def learn(self, example: Example, label: int) -> None:
        self.learnt += 1
        self._says = np.where(np.arange(2) == label, 5.0, 0.0).astype(np.float32)

    def weights(self) -> dict[str, NDArray[np.float32]]:
        return {"says": self._says.copy()}

    def restore(self, weights: Weights) -> None:
        self._says = weights["says"].copy()


def guard(config: AdaptationConfig = CONFIG) -> Guard:
    return Guard(Turner, config)


def tell(watched: Guard, labels: list[int]) -> list[Change]:
    """Changes that these labels lead to."""
    return [change for label in labels if (change := watched.learn(EXAMPLE, label)) is not None]


def answer(watched: Guard) -> int:
    return int(watched.predict(EXAMPLE).argmax())


def test_weights_come_into_use_once_held_out_labels_prove_them() -> None:
    watched = guard()

    before = tell(watched, [1] * (3 * MIN_HELD_OUT - 1))
    assert (before, answer(watched), watched.rev) == ([], 0, UNADAPTED)
    (change,) = tell(watched, [1] * 24)

    assert (change.why, change.rev, change.accuracy, change.unadapted) == ("learnt", 1, 1.0, 0.0)
    assert (answer(watched), watched.rev) == (1, 1)


def test_labels_that_prove_the_artifact_right_change_nothing() -> None:
    watched = guard()

    assert tell(watched, [0] * 300) == []
    assert watched.rev == UNADAPTED


def test_labels_of_no_sense_bring_nothing_into_use() -> None:
    rng = np.random.default_rng(5)
    watched = Guard(lambda: DeltaRule(features=6, classes=5), AdaptationConfig())
    wrong = 0
    for _ in range(600):
        logits = rng.normal(0, 1, 5)
        example = Example(features=rng.poisson(2, 6).astype(np.float32), logits=logits)
        right = int(logits.argmax())
        told = int(rng.integers(5)) if rng.random() < 0.3 else right
        watched.learn(example, told)
        wrong += int(watched.predict(example).argmax()) != right

    assert wrong < 30  # of 600: a revision by luck is taken back


def test_one_of_every_few_labels_never_trains() -> None:
    made: list[Turner] = []

    def make() -> Turner:
        made.append(Turner())
        return made[-1]

    tell(Guard(make, CONFIG), [1] * 30)

    assert [each.learnt for each in made] == [0, 20]  # of the copy in use, of the one in training


def test_weights_that_do_worse_than_the_artifact_are_taken_out_of_use() -> None:
    watched = guard()
    tell(watched, [1] * 60)
    assert watched.rev == 1

    changes = tell(watched, [0] * 30)

    assert (changes[0].why, changes[0].rev) == ("rolled_back", UNADAPTED)
    assert answer(watched) == 0


def test_undo_of_the_first_revision_goes_back_to_the_artifact() -> None:
    watched = guard()
    tell(watched, [1] * 60)
    assert watched.rev == 1

    undone, nothing = watched.undo(), watched.undo()

    assert undone is not None
    assert (undone.why, undone.rev, nothing) == ("undone", UNADAPTED, None)
    assert (watched.predict(EXAMPLE) == LOGITS).all()


def test_undo_before_the_first_revision_forgets_the_labels_so_far() -> None:
    watched = guard()
    tell(watched, [1] * (3 * MIN_HELD_OUT - 1))

    assert watched.undo() is None
    assert tell(watched, [1] * (3 * MIN_HELD_OUT - 1)) == []


def test_weights_that_are_no_numbers_never_come_into_use() -> None:
    class Broken(Turner):
        def learn(self, example: Example, label: int) -> None:
            super().learn(example, label)
            self._says[1] = np.nan  # argmax takes it for the largest

    watched = Guard(Broken, CONFIG)

    assert tell(watched, [1] * 90) == []
    assert np.isfinite(watched.predict(EXAMPLE)).all()


def test_undo_keeps_the_revision_before() -> None:
    watched = guard(AdaptationConfig(held_out_every=2, judge_every=1, buffer=12))
    saved = Saved(
        learner="turner",
        in_use=Version(rev=7, weights={"says": np.array([0, 5], np.float32)}),
        previous=Version(rev=4, weights={"says": np.array([0, 3], np.float32)}),
        last_rev=9,
    )
    watched.restore(saved.to_bytes())

    assert [(watched.undo() or Change(rev=-1, why="undone", labels=0)).rev for _ in range(3)] == [4, 0, -1]


def test_after_an_undo_the_labels_at_hand_prove_nothing_any_more() -> None:
    watched = guard()
    tell(watched, [1] * 60)
    watched.undo()

    assert tell(watched, [1] * (3 * MIN_HELD_OUT - 1)) == []
    assert [change.rev for change in tell(watched, [1] * 24)] == [2]  # a revision names one set of weights for ever


def test_another_worker_goes_on_with_the_same_weights() -> None:
    watched, other = guard(), guard()
    tell(watched, [1] * 60)

    other.restore(watched.save())

    assert (other.rev, answer(other)) == (1, 1)
    undone = other.undo()
    assert undone is not None
    assert undone.rev == UNADAPTED


def test_a_revision_is_never_given_twice_although_all_was_taken_back() -> None:
    watched, other = guard(), guard()
    tell(watched, [1] * 60)
    watched.undo()

    other.restore(watched.save())

    assert [change.rev for change in tell(other, [1] * 60)] == [2]


@pytest.mark.parametrize("revs", [[-1, -1, 0], [2, 2, 2], [3, 1, 2], [1, -2, 1]])
def test_revisions_that_cannot_be_are_refused(revs: list[int]) -> None:
    arrays = read_npz(guard().save(), max_bytes=1 << 16)

    with pytest.raises(ArchiveError, match="revisions"):
        guard().restore(write_npz(arrays | {"turner_revs": np.array(revs, np.int64)}))


def test_what_another_learner_saved_is_refused_although_its_weights_look_alike() -> None:
    class Other(Turner):
        name = "other"

    learnt = Guard(Other, CONFIG)
    tell(learnt, [1] * 60)

    with pytest.raises(ArchiveError, match=r"expected .*turner"):
        guard().restore(learnt.save())


def test_saved_weights_of_another_size_or_with_nan_are_refused() -> None:
    of_another_size = Guard(lambda: DeltaRule(features=3, classes=2), CONFIG).save()
    arrays = read_npz(guard().save(), max_bytes=1 << 16)
    with_nan = write_npz(arrays | {"turner_in_use_says": np.full(2, np.nan, np.float32)})

    for data in (of_another_size, with_nan, b"", b"PK\x05\x06", guard().save()[:-30]):
        watched = guard()
        with pytest.raises(ArchiveError):
            watched.restore(data)
        assert (watched.rev, answer(watched)) == (UNADAPTED, 0)
