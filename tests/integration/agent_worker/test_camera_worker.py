"""A worker with the real OpenCV; there is no camera here, so a video file is played as one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agent.config import CameraSource
from agent.ipc import PredictionOut, Ready, SourceDown
from edge_models.bundle import Bundle
from tests.factories.frames import digit_frames
from tests.integration.agent_worker.harness import WorkerProcess, configure

cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed; pip install 'driftline[opencv]' brings it")
pytestmark = [pytest.mark.integration, pytest.mark.runtime]
FRAMES = 12


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Digits, eight times as large as the model wants them, without loss."""
    path = tmp_path / "digits.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"FFV1"), 20.0, (64, 64))
    for digit in digit_frames(FRAMES)[0]:
        large = np.repeat(np.repeat(digit, 8, axis=0), 8, axis=1)
        writer.write(cv2.cvtColor(large, cv2.COLOR_GRAY2BGR))
    writer.release()
    assert path.stat().st_size > 1000
    return path


def test_pictures_are_scaled_and_run_and_the_end_of_them_is_a_source_that_is_opened_again(
    worker: WorkerProcess, bundle: Bundle, video: Path
) -> None:
    source = CameraSource(driver="opencv", device=str(video), rate_hz=20.0)
    worker.send(configure(bundle, source=source, predictions_hz=1000.0))

    worker.wait_for(Ready)
    down = worker.wait_for(SourceDown)
    told = worker.all_of(PredictionOut)
    again = worker.wait_for(PredictionOut)

    assert "delivers no more pictures" in down.reason
    assert [prediction.position for prediction in told] == list(range(len(told)))
    assert len(told) >= FRAMES // 2  # the newest wins, so a busy machine may lose some
    right = digit_frames(FRAMES)[1]
    if len(told) == FRAMES:
        assert np.mean([one.label == label for one, label in zip(told, right, strict=True)]) > 0.8
    assert again.position == len(told)


def test_a_camera_that_is_not_there_is_told_and_the_worker_stays(worker: WorkerProcess, bundle: Bundle) -> None:
    worker.send(configure(bundle, source=CameraSource(driver="opencv", device="/dev/video99")))

    downs = [worker.wait_for(SourceDown) for _ in range(2)]

    assert [down.failures for down in downs] == [1, 2]
    assert "camera /dev/video99: cannot be opened" in downs[0].reason
