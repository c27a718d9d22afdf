"""From samples and sketches of a drifted device to training pictures that look like its own."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from converter.corruptions import NEUTRAL, Corruption, corrupt, settings
from converter.evidence.likeness import Likeness, histogram_distance
from converter.evidence.lookalike import Evidence, Lookalike, find_lookalike
from converter.evidence.pixel_map import fit_pixel_map
from converter.evidence.pose import find_pose
from converter.evidence.search import FAMILIES, moving, search
from edge_models.profile import Profile, build_profile
from edge_models.signals import input_signal_names, input_signals_batch
from edge_models.sketch import Sketch
from tests.unit.converter.glyphs import SIDE, glyphs

CLEAN, LABELS = glyphs(200, seed=1)
OTHERS, OTHER_LABELS = glyphs(80, seed=2)  # what devices see are never the training pictures themselves


def signals(images: NDArray[np.float32]) -> NDArray[np.float64]:
    return input_signals_batch("image", images)


def seen(corruption: Corruption) -> NDArray[np.float32]:
    return corrupt(OTHERS, settings(corruption, len(OTHERS)), np.random.default_rng(9))


def profile() -> Profile:
    return build_profile(input_signal_names("image", (SIDE, SIDE, 1)), signals(CLEAN), LABELS, 4)


def sketch(images: NDArray[np.float32]) -> tuple[Sketch, Profile]:
    reference = profile()
    found = Sketch.of(reference)
    found.add_batch(reference.bins(signals(images)), np.zeros(len(images), np.int64))
    return found, reference


def lookalike(evidence: Evidence, *, budget: int = 400, known: tuple[Lookalike, ...] = ()) -> Lookalike:
    rng = np.random.default_rng(4)
    return find_lookalike(evidence, CLEAN, LABELS, signals=signals, known=known, budget=budget, rng=rng)


@pytest.mark.parametrize("turn", [-75, 40, 130])
def test_pose_is_found_under_inverted_light(turn: float) -> None:
    samples = seen(Corruption(rotation_deg=turn, black=0.9, white=0.1))

    pose = find_pose(samples, OTHER_LABELS, CLEAN, LABELS, np.random.default_rng(0))

    assert pose.rotation_deg == pytest.approx(turn, abs=6)
    assert pose.mirror == 0


def test_mirrored_device_is_recognised() -> None:
    pose = find_pose(seen(Corruption(mirror=1)), OTHER_LABELS, CLEAN, LABELS, np.random.default_rng(0))

    assert pose == Corruption(mirror=1)


def test_device_that_stands_straight_keeps_the_neutral_pose() -> None:
    samples = seen(Corruption(white=0.4, noise=0.1))

    assert find_pose(samples, OTHER_LABELS, CLEAN, LABELS, np.random.default_rng(0)) == NEUTRAL


def test_few_samples_say_nothing_about_the_pose() -> None:
    samples = seen(Corruption(rotation_deg=90))[:20]

    assert find_pose(samples, OTHER_LABELS[:20], CLEAN, LABELS, np.random.default_rng(0)) == NEUTRAL


def test_winter_light_is_found_from_samples() -> None:
    samples = seen(Corruption(black=0.05, white=0.35, noise=0.08))

    found = lookalike(Evidence(samples=samples, labels=OTHER_LABELS))

    assert found.distance < 0.3
    assert found.corruption.noise == pytest.approx(0.08, abs=0.03)
    assert found.corruption.rotation_deg == 0


def test_darkening_is_found_from_a_sketch_alone() -> None:
    dark = seen(Corruption(white=0.5))
    nothing = Evidence(samples=OTHERS[:0], labels=OTHER_LABELS[:0], sketch=sketch(dark))

    found = lookalike(nothing)

    assert found.distance < 0.4
    before = histogram_distance(signals(CLEAN), *sketch(dark))
    taken = found.take(CLEAN, np.random.default_rng(1))
    assert histogram_distance(signals(taken), *sketch(dark)) < 0.6 * before


def test_signals_of_answers_and_embedding_say_nothing_about_pictures() -> None:
    dark = seen(Corruption(white=0.5))
    few, own = sketch(dark)
    more = np.random.default_rng(3).normal(size=(len(CLEAN), 4))
    names = (*own.signals, "confidence", "t2", "q", "pc_0")
    known = build_profile(names, np.concatenate([signals(CLEAN), more], axis=1), LABELS, 4)
    told = Sketch.of(known)
    values = np.concatenate([signals(dark), more[: len(dark)] + 5], axis=1)
    told.add_batch(known.bins(values), np.zeros(len(dark), np.int64))

    distance = histogram_distance(signals(CLEAN), told, known)

    assert distance == pytest.approx(histogram_distance(signals(CLEAN), few, own), rel=0.01)


def test_pictures_are_shared_out_among_explanations_that_are_as_good() -> None:
    ways = Lookalike(corruption=Corruption(black=1, white=0), instead=(Corruption(white=0.4),))

    taken = ways.take(CLEAN[:10], np.random.default_rng(0))

    assert (taken[:5].mean(axis=(1, 2, 3)) > 0.5).all()
    assert (taken[5:].mean(axis=(1, 2, 3)) < 0.2).all()


def test_checkerboard_of_inverted_pixels_becomes_a_pixel_map() -> None:
    board = (np.indices((SIDE, SIDE)).sum(axis=0) // 2 % 2).astype(bool)[..., None]
    samples = np.where(board, 1 - OTHERS, OTHERS).astype(np.float32)

    found = lookalike(Evidence(samples=samples, labels=OTHER_LABELS))

    assert found.pixel_map is not None
    taken = found.take(CLEAN, np.random.default_rng(1))
    wanted = np.where(board, 1 - CLEAN, CLEAN)
    assert np.abs(taken - wanted).mean() < 0.3 * np.abs(CLEAN - wanted).mean()


def test_pixel_that_never_varied_gets_the_common_gain() -> None:
    x, y = CLEAN.copy(), 0.5 * OTHERS
    x[:, 0, 0], y[:, 0, 0] = 0, 0.25

    fitted = fit_pixel_map(x, LABELS, y, OTHER_LABELS)

    assert fitted.gain[0, 0] == pytest.approx(0.5, abs=0.1)
    assert fitted.offset[0, 0] == pytest.approx(0.25, abs=0.01)


def test_no_evidence_leads_to_no_lookalike() -> None:
    found = lookalike(Evidence(samples=OTHERS[:0], labels=OTHER_LABELS[:0]))

    assert found == Lookalike()


def test_second_device_with_the_same_drift_needs_no_search() -> None:
    drift = Corruption(rotation_deg=90)
    first = Lookalike(corruption=drift, distance=0.1)

    found = lookalike(Evidence(samples=seen(drift), labels=OTHER_LABELS), known=(first,))

    assert found.corruption is drift
    assert 0 < found.distance < 0.3


def test_search_repeats_itself() -> None:
    evidence = Evidence(samples=seen(Corruption(blur_px=1.2)), labels=OTHER_LABELS)

    assert lookalike(evidence, budget=60) == lookalike(evidence, budget=60)


def test_what_resembles_training_data_keeps_the_neutral_setting() -> None:
    pictures = Likeness(clean=CLEAN[:80], labels=LABELS[:80], signals=signals, samples=OTHERS, sketch=None)

    found = search(pictures, NEUTRAL, families=FAMILIES, budget=100, rng=np.random.default_rng(0))

    assert found.corruption == NEUTRAL
    assert found.distance == pytest.approx(1.0)


def test_companions_move_only_with_what_they_belong_to() -> None:
    assert moving(Corruption(stripe_px=3)) == []
    assert moving(Corruption(stripes=0.2)) == ["stripes", "stripe_px", "stripe_deg", "stripe_phase_deg"]
    assert moving(Corruption(cover_value=1, blur_px=1)) == ["blur_px"]
