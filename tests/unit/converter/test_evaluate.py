"""Recorded data are brought to what the model's source delivers, and the answers judged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from converter.errors import DatasetError
from converter.evaluate import at_the_models_rate, evaluate, examples_of
from edge_models.manifest import InputSpec, WindowStep
from edge_models.tensors import TensorSpec
from tests.factories.bundles import INT8, make_bundle
from tests.factories.frames import digit_frames
from tests.factories.hum import loose_rows, make_hum_bundle, normal_rows

SOUND = InputSpec(kind="audio", source=TensorSpec(shape=(800,), dtype="float32"), rate_hz=8000)


def tone(rate_hz: float, samples: int, hz: float = 440) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.asarray(np.sin(2 * np.pi * hz * np.arange(samples) / rate_hz)[None], np.float32)


def test_sound_at_another_rate_is_resampled_and_that_is_said() -> None:
    x, said = at_the_models_rate(SOUND, tone(16000, 1600), 16000)

    assert x.shape == (1, 800)
    np.testing.assert_allclose(x[0, 50:-50], tone(8000, 800)[0, 50:-50], atol=0.02)
    assert said == "resampled from 16000 to 8000 samples in a second"


def test_sound_of_another_length_is_filled_or_cut_to_its_loudest_part() -> None:
    short, said_short = at_the_models_rate(SOUND, tone(8000, 600), None)
    long, said_long = at_the_models_rate(SOUND, np.pad(tone(8000, 800), ((0, 0), (300, 0))), 8000)

    assert (short.shape, long.shape) == ((1, 800), (1, 800))
    assert said_short == "clips of 600 samples filled with silence, 800 samples"
    assert said_long == "clips of 1100 samples cut to their loudest part, 800 samples"
    np.testing.assert_array_equal(long, tone(8000, 800))


@pytest.mark.parametrize("x", [tone(8000, 800), np.zeros((3, 800), np.int16)])
def test_sound_that_fits_or_is_no_sound_in_real_numbers_is_left_alone(
    x: np.ndarray[tuple[int, ...], np.dtype[np.generic]],
) -> None:
    same, said = at_the_models_rate(SOUND, x, 8000)

    assert said is None
    np.testing.assert_array_equal(same, x)


def test_windows_carry_the_group_of_their_last_row() -> None:
    spec = InputSpec(
        kind="rows",
        source=TensorSpec(shape=(2,), dtype="float32"),
        preprocess=(WindowStep(length=3, stride=1),),
    )
    x = np.arange(16, dtype=np.float32).reshape(8, 2)

    inputs, y, group = examples_of(spec, x, np.arange(8), np.repeat([4, 9], 4))

    assert inputs.shape == (4, 3, 2)
    assert y.tolist() == [2, 3, 6, 7]
    assert group is not None
    assert group.tolist() == [4, 4, 9, 9]


def test_a_part_of_the_data_can_be_judged_alone(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    frames, y = digit_frames(60, seed=8)
    inputs, y, _ = examples_of(bundle.manifest.input, frames, y, None)

    of = evaluate(bundle, INT8, inputs, np.where(np.arange(60) < 30, y, (y + 1) % 10))

    right, wrong = (of(np.arange(60) // 30 == half).accuracy for half in (0, 1))
    assert right is not None
    assert wrong is not None
    assert right.value > 0.85
    assert wrong.value < 0.15
    assert right.low < right.value < right.high
    assert of(np.ones(60, np.bool_)).auc is None


def test_labels_beyond_the_models_are_refused(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    inputs, y, _ = examples_of(bundle.manifest.input, *digit_frames(20, seed=8), None)

    with pytest.raises(DatasetError, match=r"found labels 1 to 10, expected 0 to 9"):
        evaluate(bundle, INT8, inputs, y % 10 + 1)


def test_anomalies_are_judged_by_auc_and_at_the_threshold(tmp_path: Path) -> None:
    bundle = make_hum_bundle(tmp_path / "bundle")
    x = np.concatenate([normal_rows(60, seed=1), loose_rows(40, seed=2)])
    y = np.repeat([0, 1], [60, 40])

    of = evaluate(bundle, next(iter(bundle.manifest.artifacts)), *examples_of(bundle.manifest.input, x, y, None)[:2])

    both, normal = of(np.ones(100, np.bool_)), of(y == 0)
    assert both.auc is not None
    assert both.auc.value > 0.97
    assert both.accuracy is not None
    assert both.accuracy.value > 0.9
    assert normal.auc is None
    assert normal.accuracy is not None
