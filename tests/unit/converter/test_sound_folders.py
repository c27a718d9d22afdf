"""Clips become examples of one rate and length, or one clear line that names the file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.datasets import Dataset, load_dataset
from converter.datasets.audio import fitted, resampled
from converter.errors import DatasetError
from converter.recipe.dataset import DatasetRecipe
from tests.unit.converter.folders import clip, folder, tone

TONE = tone()


def loaded(place: Path, **keys: object) -> Dataset:
    return load_dataset(DatasetRecipe(source=f"wav:{place}", **keys))  # type: ignore[arg-type]


def refused(place: Path, **keys: object) -> str:
    with pytest.raises(DatasetError) as caught:
        loaded(place, **keys)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("width", "error"), [(1, 1 / 120), (2, 1e-4), (3, 1e-6), (4, 1e-6)])
def test_samples_of_every_width_are_numbers_of_the_full_scale(tmp_path: Path, width: int, error: float) -> None:
    data = loaded(folder(tmp_path, {"a/1.wav": clip(TONE, width=width), "b/1.wav": clip(-TONE, width=width)}))

    assert data.x.dtype == np.float32
    assert (data.x.shape, data.rate_hz) == ((2, 400), 8000.0)
    np.testing.assert_allclose(data.x, [TONE, -TONE], atol=error)
    assert data.labels == ("a", "b")


def test_channels_are_averaged(tmp_path: Path) -> None:
    stereo = np.stack([TONE, np.zeros(400)], axis=1)

    data = loaded(folder(tmp_path, {"a/1.wav": clip(stereo), "b/1.wav": clip(TONE)}))

    np.testing.assert_allclose(data.x[0], TONE / 2, atol=1e-4)


def test_a_pattern_reads_digit_and_speaker_from_the_name(tmp_path: Path) -> None:
    files = {f"recordings/{digit}_{name}_0.wav": clip(TONE) for digit in "12" for name in ("ann", "bob")}

    data = loaded(folder(tmp_path, files), pattern=r"(?P<label>\d)_(?P<group>[a-z]+)_")

    assert (data.labels, data.groups) == (("1", "2"), ("ann", "bob"))
    assert data.group is not None
    assert data.group.tolist() == [0, 1, 0, 1]


def test_shorter_clips_are_filled_and_longer_ones_cut_about_the_loudest_part(tmp_path: Path) -> None:
    loud = np.concatenate([np.zeros(700), TONE, np.zeros(300)])
    place = folder(tmp_path, {"a/1.wav": clip(loud), "b/1.wav": clip(TONE[:100])})

    whole, cut = loaded(place), loaded(place, seconds=0.05)

    assert whole.x.shape == (2, 1400)
    np.testing.assert_allclose(cut.x[0], TONE, atol=1e-4)
    np.testing.assert_allclose(cut.x[1, 150:250], TONE[:100], atol=1e-4)
    assert not cut.x[1, :150].any()
    assert not cut.x[1, 250:].any()


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 2**31))
def test_a_fitted_clip_has_the_length_and_no_other_samples(samples: int, wanted: int, seed: int) -> None:
    given_clip = np.random.default_rng(seed).normal(size=samples).astype(np.float32)

    made = fitted(given_clip, wanted)

    assert made.shape == (wanted,)
    if wanted >= samples:
        assert np.count_nonzero(made) == np.count_nonzero(given_clip)
    else:
        starts = [given_clip[i : i + wanted] for i in range(samples - wanted + 1)]
        assert np.square(made).sum() == pytest.approx(max(np.square(part).sum() for part in starts), rel=1e-4)


def test_clips_of_two_rates_are_refused_and_resampled_on_request(tmp_path: Path) -> None:
    slow = clip(tone(800), rate_hz=8000)
    fast = clip(tone(1600, rate_hz=16000), rate_hz=16000)
    place = folder(tmp_path, {"a/1.wav": slow, "b/1.wav": fast})

    said = refused(place)
    data = loaded(place, rate_hz=8000.0)

    assert "a/1.wav with 8000 and b/1.wav with 16000 samples in a second, expected one rate" in said
    assert "dataset.rate_hz" in said
    assert (data.x.shape, data.rate_hz) == ((2, 800), 8000.0)
    np.testing.assert_allclose(data.x[1, 50:-50], data.x[0, 50:-50], atol=0.01)


def test_resampling_keeps_pitch_and_level() -> None:
    made = resampled(tone(3200, rate_hz=16000).astype(np.float32), 16000, 11025)

    expected = tone(2205, rate_hz=11025)
    np.testing.assert_allclose(made[100:2100], expected[100:2100], atol=0.01)


WHOLE = clip(TONE)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"b/1.wav": b"not a sound"}, "/b/1.wav: not a readable WAV file ("),
        ({"b/1.wav": b""}, "/b/1.wav: "),
        ({"b/1.wav": WHOLE[:-301]}, "/b/1.wav: not a readable WAV file ("),
        ({"b/1.wav": WHOLE[:4] + b"\x1c\0\0\0" + WHOLE[8:36]}, "/b/1.wav: a WAV file without samples or their format"),
        ({"b/1.wav": WHOLE[:20] + b"\x55\x00" + WHOLE[22:]}, "/b/1.wav: not a readable WAV file (Unknown wave file"),
        ({"b/1.wav": clip(TONE[:0])}, "/b/1.wav: found no samples, expected some"),
        ({"b/notes.txt": b"x"}, "/b: found a class folder without WAV files"),
        ({}, "found examples of one class only"),
    ],
)
def test_wrong_files_are_one_clear_line(tmp_path: Path, files: Mapping[str, bytes], said: str) -> None:
    assert said in refused(folder(tmp_path, {"a/1.wav": WHOLE, **files}))


def test_unlabelled_clips_are_brought_to_the_same_rate_and_length(tmp_path: Path) -> None:
    place = folder(tmp_path / "d", {"a/1.wav": WHOLE, "b/1.wav": WHOLE})
    more = folder(tmp_path / "more", {"1.wav": clip(tone(4000, rate_hz=16000), rate_hz=16000)})

    data = loaded(place, unlabelled=(f"wav:{more}",))

    assert [examples.x.shape for examples in data.unlabelled] == [(1, 400)]
