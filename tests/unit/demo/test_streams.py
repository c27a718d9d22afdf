from pathlib import Path

import numpy as np
import pytest

from deploy.demo.camera import VIEWS, blurred, rotated, steady, to_uint8
from deploy.demo.errors import DemoError
from deploy.demo.streams import device_streams, load_drift, training_set
from edge_models.npz import write_npz

DRIFTS: list[str | None] = [None, "winter light", "new camera"]
STARTS: list[int | None] = [None, 40, 60]


def test_no_image_is_shared_between_training_and_devices_or_between_devices() -> None:
    streams = device_streams(DRIFTS, STARTS, frames=900, seed=3, unseen=None)
    _, _, rest = training_set(3)

    pools = [set(stream.source.tolist()) for stream in streams]

    assert set.union(*pools) <= set(rest.tolist())
    assert sum(map(len, pools)) == len(set.union(*pools))


def test_streams_are_the_same_for_the_same_seed_and_others_for_another() -> None:
    first, again, other = (device_streams(DRIFTS, STARTS, frames=80, seed=seed, unseen=None) for seed in (1, 1, 2))

    assert all(np.array_equal(a.x, b.x) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0].x, other[0].x)


def test_a_drift_begins_exactly_where_the_stream_says() -> None:
    winter = device_streams(DRIFTS, STARTS, frames=120, seed=5, unseen=None)[1]

    brightest = winter.x.reshape(len(winter.x), -1).max(axis=1)

    assert winter.drift_at == 40
    assert np.median(brightest[:40]) > 230
    assert np.median(brightest[40:]) < 190


def test_recorded_frames_take_the_place_of_the_drift(tmp_path: Path) -> None:
    frames = np.full((400, 28, 28), 7, np.uint8)
    file = tmp_path / "unseen.npz"
    file.write_bytes(write_npz({"x": frames, "y": np.arange(400) % 10}))

    stream = device_streams(["unseen"], [30], frames=500, seed=0, unseen=load_drift(file))[0]

    assert (stream.x[30:] == 7).all()
    assert (stream.x[:30] != 7).any()
    assert (stream.source[30:] < 0).all()


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": np.zeros((400, 28, 28), np.uint8)}, "found arrays x"),
        ({"x": np.zeros((400, 32, 32), np.uint8), "y": np.zeros(400, int)}, "(400, 32, 32)"),
        ({"x": np.zeros((400, 28, 28), np.float32), "y": np.zeros(400, int)}, "float32"),
        ({"x": np.zeros((400, 28, 28), np.uint8), "y": np.full(400, 10)}, "labels outside"),
        ({"x": np.zeros((40, 28, 28), np.uint8), "y": np.zeros(40, int)}, "at least 400"),
    ],
)
def test_a_wrong_drift_file_is_refused_with_what_was_found(
    tmp_path: Path, arrays: dict[str, np.ndarray], words: str
) -> None:
    file = tmp_path / "drift.npz"
    file.write_bytes(write_npz(arrays))

    with pytest.raises(DemoError, match=r"expected") as caught:
        load_drift(file)

    assert words in str(caught.value)


def test_a_missing_drift_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match="No such file"):
        load_drift(tmp_path / "nothing.npz")


def test_rotation_by_nothing_changes_nothing_and_four_right_angles_come_home() -> None:
    image = np.random.default_rng(0).random((2, 9, 9), np.float32)

    assert np.allclose(rotated(image, np.zeros(2, np.float32)), image, atol=1e-6)
    quarter = np.full(2, np.pi / 2, np.float32)
    turned = image
    for _ in range(4):
        turned = rotated(turned, quarter)
    assert np.allclose(turned[:, 1:-1, 1:-1], image[:, 1:-1, 1:-1], atol=1e-4)


def test_blur_keeps_the_mean_of_a_flat_image_and_lowers_contrast() -> None:
    rng = np.random.default_rng(0)
    flat, noisy = np.full((1, 12, 12), 0.4, np.float32), rng.random((1, 12, 12), np.float32)

    assert np.allclose(blurred(flat, 1.2), 0.4, atol=1e-6)
    assert blurred(noisy, 1.2).std() < 0.5 * noisy.std()


@pytest.mark.parametrize("name", list(VIEWS))
def test_every_view_stays_inside_the_sensors_range(name: str) -> None:
    images = np.random.default_rng(0).random((8, 28, 28), np.float32)

    seen = VIEWS[name](images, np.random.default_rng(1))

    assert seen.shape == images.shape
    assert seen.dtype == np.float32
    assert seen.min() >= 0.0
    assert seen.max() <= 1.0
    assert to_uint8(seen).dtype == np.uint8


def test_the_steady_camera_is_not_drift() -> None:
    images = np.random.default_rng(0).random((500, 28, 28), np.float32)

    seen = steady(images, np.random.default_rng(1))

    assert abs(float(seen.mean() - images.mean())) < 0.01
