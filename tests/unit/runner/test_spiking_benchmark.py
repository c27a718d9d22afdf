"""Parts of the benchmark `spiking` that decide what its figures mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.assets.spiking import network
from tests.benchmarks.spikes.clips import HOLD, NOISE, Clip, clips
from tests.benchmarks.spikes.exactness import ACCEPTED, fixed_case, refusals
from tests.benchmarks.spikes.race import Kind, Timed
from tests.benchmarks.spikes.racing import compared
from tests.benchmarks.spikes.streams import held_frames
from tests.factories.spiking import make_spiking_bundle


@pytest.fixture(scope="module")
def shown() -> dict[str, Clip]:
    pictures = np.random.default_rng(0).integers(0, 256, (10, 28, 28)).astype(np.uint8)
    return {clip.name: clip for clip in clips(pictures)}


def changed(clip: Clip) -> NDArray[np.float64]:
    """Share of the pixels that differ from the frame before, of each frame but the first."""
    shares: NDArray[np.float64] = (np.diff(clip.frames.astype(int), axis=0) != 0).mean(axis=(1, 2))
    return shares


def test_nothing_changes_in_a_static_scene(shown: dict[str, Clip]) -> None:
    assert not changed(shown["static scene"]).any()


def test_slow_motion_changes_every_third_frame(shown: dict[str, Clip]) -> None:
    moved = np.flatnonzero(changed(shown["slow motion, 1 px every 3 frames"])) + 1

    assert set(moved % 3) == {0}
    assert len(moved) == len(shown["static scene"].frames) // 3 - 1


def test_full_motion_changes_nearly_all_pixels_of_every_frame(shown: dict[str, Clip]) -> None:
    assert changed(shown["full motion, all pixels"]).min() > 0.8


def test_noise_alone_never_reaches_what_is_held(shown: dict[str, Clip]) -> None:
    clip = next(clip for clip in shown.values() if clip.hold and clip.name.startswith("static"))

    assert 2 * NOISE < HOLD == clip.hold
    held = held_frames(clip.frames.astype(np.int32), clip.hold)
    assert (held == held[0]).all()


def test_a_held_value_follows_when_it_is_far_enough() -> None:
    x = np.array([[0], [9], [10], [15], [0]], np.int32)

    assert held_frames(x, 10).ravel().tolist() == [0, 0, 10, 10, 0]


def timed(name: str, kind: Kind, median_us: float, worst: float | None = 0.0) -> Timed:
    return Timed(name=name, kind=kind, median_us=median_us, low_us=median_us, worst=worst, agreement=1.0)


OURS = (
    timed("ours, C, 4 steps", "c", 100),
    timed("ours, numpy, 4 steps", "numpy", 500),
    timed("ours, collapsed TFLite", "collapsed", 40),
)


def test_we_are_held_against_the_best_form_of_plain_torch_and_each_library() -> None:
    others = (
        timed("loop", "torch", 700),
        timed("batch", "torch", 300),
        timed("a", "library", 600),
        timed("b", "library", 400),
    )

    targets = {target.name: target for target in compared([*OURS, *others])}

    assert targets["ours, C, 4 steps: times faster than batch"].value == 3.0
    assert "ours, C, 4 steps: times faster than loop" not in targets
    assert not targets["ours, C, 4 steps: times faster than b"].met
    assert targets["ours, C, 4 steps: times faster than a"].met
    assert not targets["ours, collapsed TFLite: times faster than batch"].met
    assert not targets["ours, numpy, 4 steps: times faster than b"].met


def test_without_other_tools_there_is_no_comparison_with_them() -> None:
    (target,) = compared(list(OURS))

    assert target.met
    assert not next(compared([*OURS[:2], timed("ours, collapsed TFLite", "collapsed", 40, worst=1.0)])).met


def test_every_damage_of_a_file_is_refused_with_a_reason(tmp_path: Path) -> None:
    bundle = make_spiking_bundle(tmp_path / "bundle", network(1))

    reasons = [str(row.values["reason"]) for row in refusals(bundle)]

    assert len(set(reasons)) == len(reasons) == 6
    assert ACCEPTED not in reasons


def test_the_fixed_case_is_right_on_this_machine() -> None:
    row, target = fixed_case()

    assert target.met, row.values
