"""Figures of full windows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from agent.ipc import Window
from agent.worker.pipeline import PipelineResult, StageTimes
from agent.worker.window import BATCH_FRAMES, WindowCounter
from edge_models.profile import build_profile
from edge_models.sketch import Sketch

RNG = np.random.default_rng(0)
PROFILE = build_profile(("mean", "std"), RNG.normal(0, 1, (2000, 2)), RNG.integers(0, 2, 2000), 2)


def result(values: tuple[float, float], label: int = 0, latency_us: float = 100.0) -> PipelineResult:
    return PipelineResult(
        predicted=label,
        confidence=0.75,
        margin=0.5,
        signals=np.array(values),
        times=StageTimes(preprocess_us=latency_us / 4, infer_us=latency_us * 3 / 4),
    )


def refused() -> PipelineResult:
    return PipelineResult(refused="NaN")


def windows(
    counter: WindowCounter, results: list[PipelineResult], *, start: int = 0, rate_hz: float = 10.0
) -> list[Window]:
    made = [counter.add(start + i, each, i / rate_hz) for i, each in enumerate(results)]
    return [window for window in made if window is not None]


def like_the_reference(n: int, seed: int = 1, shift: float = 0.0) -> list[PipelineResult]:
    rng = np.random.default_rng(seed)
    return [
        result((a + shift, b), label)
        for (a, b), label in zip(rng.normal(0, 1, (n, 2)), rng.integers(0, 2, n), strict=True)
    ]


def test_windows_follow_each_other_without_gap_or_overlap() -> None:
    made = windows(WindowCounter(size=50, profile=PROFILE), like_the_reference(170), start=7)

    assert [(window.start, window.position, window.n) for window in made] == [
        (7, 56, 50),
        (57, 106, 50),
        (107, 156, 50),
    ]


def test_a_window_summarises_its_frames() -> None:
    results = [result((0.0, 0.0), label=i % 2, latency_us=float(i)) for i in range(100)]

    (window,) = windows(WindowCounter(size=100, profile=PROFILE), results)

    assert window.classes == {"0": 50, "1": 50}
    assert window.mean_confidence == pytest.approx(0.75)
    assert window.p50_us == pytest.approx(49.5, abs=1)
    assert window.p95_us == pytest.approx(94.5, abs=1)
    assert window.seconds == pytest.approx(9.9)
    assert window.rate_hz == pytest.approx(10.0)


def test_the_sketch_shows_how_far_a_window_is_from_the_reference() -> None:
    (calm,) = windows(WindowCounter(size=500, profile=PROFILE), like_the_reference(500))
    (shifted,) = windows(WindowCounter(size=500, profile=PROFILE), like_the_reference(500, shift=2.0))

    assert max(Sketch.decode(calm.sketch).distance(PROFILE).values()) < 0.1
    effects = Sketch.decode(shifted.sketch).distance(PROFILE)
    assert effects["mean"] > 0.6
    assert effects["std"] < 0.1


def test_the_sketch_counts_every_frame_of_a_window_larger_than_a_batch() -> None:
    size = 2 * BATCH_FRAMES + 3

    (window,) = windows(WindowCounter(size=size, profile=PROFILE), like_the_reference(size))

    sketch = Sketch.decode(window.sketch)
    assert sketch.n == window.n == size
    assert window.profile == PROFILE.id


def test_refused_frames_fill_a_window_but_do_not_count_as_measured() -> None:
    results = like_the_reference(30) + [refused()] * 20

    (window,) = windows(WindowCounter(size=50, profile=PROFILE), results)

    assert (window.n, window.refused) == (30, 20)
    assert Sketch.decode(window.sketch).n == 30


def test_a_window_of_refused_frames_only_counts_nothing() -> None:
    (window,) = windows(WindowCounter(size=20, profile=PROFILE), [refused()] * 20)

    assert (window.n, window.refused, Sketch.decode(window.sketch).n, window.mean_confidence) == (0, 20, 0, None)


def test_a_window_of_which_nothing_was_run_tells_no_latency() -> None:
    held = replace(result((0.0, 0.0)), held=True, times=StageTimes())
    counter = WindowCounter(size=20, profile=PROFILE)

    of_held, of_refused = windows(counter, [held] * 20 + [refused()] * 20)

    assert (of_held.held, of_held.p50_us, of_held.p95_us) == (20, None, None)
    assert (of_refused.p50_us, of_refused.p95_us) == (None, None)


def test_without_a_profile_there_is_a_window_without_sketch() -> None:
    (window,) = windows(WindowCounter(size=20, profile=None), like_the_reference(20))

    assert (window.n, window.sketch, window.profile) == (20, "", "")


def test_a_reset_drops_the_window_in_progress() -> None:
    counter = WindowCounter(size=50, profile=PROFILE)
    windows(counter, like_the_reference(49))

    counter.reset()

    assert windows(counter, like_the_reference(50), start=100)[0].start == 100
