"""What an epoch is made of."""

from __future__ import annotations

import numpy as np
import pytest

from converter.corruptions import Corruption
from converter.evidence.lookalike import Lookalike
from converter.evidence.pixel_map import PixelMap
from converter.recipe import AugmentRecipe
from converter.training.mix import Lesson, dealt, mixed_epochs, plain_epochs

N = 200
RANGE = (0.0, 255.0)
FRAMES = np.full((N, 6, 6), 10, np.uint8)
LABELS = np.arange(N) % 4
SAMPLES = np.full((120, 6, 6), 200, np.uint8)
SAMPLE_LABELS = np.full(120, 3)
INVERTED = Lookalike(corruption=Corruption(black=1, white=0), distance=0.0)


def epoch(*lessons: Lesson, size: int = 1000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    source = mixed_epochs(FRAMES, LABELS, lessons, None, RANGE, clean_share=0.4, size=size)
    x, y, weight = source(0, np.random.default_rng(seed))
    assert len(x) == len(y) == len(weight) == size
    return x, y


def share(x: np.ndarray, low: int, high: int) -> float:
    centre = x[:, 3, 3]
    return float(((centre >= low) & (centre <= high)).mean())


def test_plain_epoch_deals_every_frame_once() -> None:
    frames = np.arange(N, dtype=np.uint8).reshape(N, 1, 1).repeat(2, 1)

    x, y, weight = plain_epochs(frames, LABELS, None, RANGE)(0, np.random.default_rng(0))

    assert sorted(x[:, 0, 0].tolist()) == list(range(N))
    assert (y == x[:, 0, 0] % 4).all()
    assert (weight == 1).all()


def test_no_index_comes_again_before_all_have_come() -> None:
    counts = np.bincount(dealt(7, 40, np.random.default_rng(0)), minlength=7)

    assert counts.min() == 5
    assert counts.max() == 6


def test_device_without_lookalike_teaches_by_its_samples() -> None:
    x, y = epoch(Lesson(samples=SAMPLES, labels=SAMPLE_LABELS, lookalike=None))

    assert share(x, 190, 210) == pytest.approx(0.6, abs=0.01)
    assert (y[x[:, 3, 3] > 150] == 3).all()


def test_perfect_lookalike_takes_three_quarters_of_a_device_share() -> None:
    x, _ = epoch(Lesson(samples=SAMPLES, labels=SAMPLE_LABELS, lookalike=INVERTED))

    assert share(x, 220, 255) == pytest.approx(0.45, abs=0.01)
    assert share(x, 190, 210) == pytest.approx(0.15, abs=0.01)
    assert share(x, 0, 30) == pytest.approx(0.4, abs=0.01)


def test_lookalike_unlike_the_evidence_is_not_learnt_from() -> None:
    poor = Lookalike(corruption=INVERTED.corruption, distance=0.95)

    x, _ = epoch(Lesson(samples=SAMPLES, labels=SAMPLE_LABELS, lookalike=poor))

    assert share(x, 220, 255) == 0


def test_few_samples_do_not_fill_a_whole_share() -> None:
    x, _ = epoch(Lesson(samples=SAMPLES[:20], labels=SAMPLE_LABELS[:20], lookalike=None))

    assert share(x, 190, 210) == pytest.approx(0.12, abs=0.01)


def test_sketch_without_samples_teaches_by_its_lookalike() -> None:
    x, y = epoch(Lesson(samples=SAMPLES[:0], labels=SAMPLE_LABELS[:0], lookalike=INVERTED))

    assert share(x, 220, 255) == pytest.approx(0.6, abs=0.01)
    assert len(np.unique(y)) == 4


def test_devices_have_equal_shares_however_much_they_deliver() -> None:
    chatty = Lesson(samples=np.full((5000, 6, 6), 100, np.uint8), labels=np.zeros(5000, np.int64), lookalike=None)
    quiet = Lesson(samples=SAMPLES, labels=SAMPLE_LABELS, lookalike=None)

    x, _ = epoch(chatty, quiet)

    assert share(x, 90, 110) == pytest.approx(0.3, abs=0.01)
    assert share(x, 190, 210) == pytest.approx(0.3, abs=0.01)


def test_samples_with_a_pattern_bound_to_pixels_are_not_moved() -> None:
    pattern = np.zeros((6, 6), np.uint8)
    pattern[::2] = 200
    nothing = np.zeros((6, 6, 1), np.float32)
    pinned = Lookalike(pixel_map=PixelMap(gain=nothing + 1, offset=nothing, noise=nothing), distance=0.1)

    x, _ = epoch(Lesson(samples=np.stack([pattern] * 120), labels=SAMPLE_LABELS, lookalike=pinned))

    delivered = x[x.max(axis=(1, 2)) > 150]
    assert len(delivered) > 100
    assert (delivered == pattern).all()


def test_same_seed_gives_the_same_epoch() -> None:
    lesson = Lesson(samples=SAMPLES, labels=SAMPLE_LABELS, lookalike=INVERTED)

    assert np.array_equal(epoch(lesson, seed=5)[0], epoch(lesson, seed=5)[0])
    assert not np.array_equal(epoch(lesson, seed=5)[0], epoch(lesson, seed=6)[0])


def test_share_of_augmented_frames_is_what_the_recipe_says() -> None:
    noisy = AugmentRecipe(share=0.25, spread=Corruption(noise=0.1))

    x, _, _ = plain_epochs(FRAMES, LABELS, noisy, RANGE, 4000)(0, np.random.default_rng(0))

    assert (x.std(axis=(1, 2)) > 0).mean() == pytest.approx(0.25, abs=0.03)
