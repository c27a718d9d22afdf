"""Models that were wrapped as they are: their source delivers codes, uint8 pixels or int8 features."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.ipc import FrameIn
from agent.worker.errors import SourceError
from agent.worker.offline import replay
from agent.worker.opened_model import open_model
from agent.worker.pipeline import open_pipeline
from agent.worker.sources.images import ImageFolder
from agent.worker.sources.mqtt_frames import frame_array
from edge_models.bundle import Bundle
from edge_models.engines.tflite import TfliteModel
from edge_models.manifest import InputSpec
from edge_models.quantize import quantize
from tests.factories.bundles import ASSETS, LABELS
from tests.factories.frames import digit_frames, write_recording
from tests.factories.wrapped import wrap

pytestmark = pytest.mark.runtime

FORMS = ("int8", "uint8", "int16x8")


def codes(form: str, n: int) -> tuple[NDArray[np.generic], NDArray[np.int64], InputSpec]:
    """Digits in the very codes that a form of the model takes."""
    spec = TfliteModel((ASSETS / f"digits-{form}.tflite").read_bytes()).input.spec
    frames, labels = digit_frames(n, seed=2)
    x = quantize((frames[..., None] / np.float32(240)).astype(np.float32), spec)
    return x, labels, InputSpec(kind="image", source=spec)


def wrapped(folder: Path, form: str) -> Bundle:
    x, _, spec = codes(form, 60)
    return wrap(folder / "bundle", ASSETS / f"digits-{form}.tflite", spec, x, labels=LABELS)


@pytest.mark.parametrize("form", FORMS)
def test_recorded_codes_reach_the_model_as_they_are(tmp_path: Path, form: str) -> None:
    bundle = wrapped(tmp_path, form)
    x, labels, _ = codes(form, 200)
    model = open_model(bundle.directory, "tflite")

    path = write_recording(tmp_path / "f.npz", x, labels)
    report = replay(bundle.directory, path, clock_ns=time.perf_counter_ns)

    direct = [int(model.engine.run(frame)["logits"].argmax()) for frame in x]
    assert report.predictions == direct
    assert report.accuracy is not None
    assert report.accuracy > 0.9


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("encoding", ["raw", "json"])
def test_codes_over_mqtt_reach_the_model_as_they_are(tmp_path: Path, form: str, encoding: str) -> None:
    model = open_model(wrapped(tmp_path, form).directory, "tflite")
    x, _, spec = codes(form, 1)
    body = x[0].tobytes() if encoding == "raw" else str(x[0].tolist()).encode()

    frame = frame_array(FrameIn(origin="mqtt", encoding=encoding), body, spec.source)  # type: ignore[arg-type]
    result = open_pipeline(model.bundle, "tflite", model.engine, time.perf_counter_ns).run(frame)

    assert result is not None
    assert result.predicted == int(model.engine.run(x[0])["logits"].argmax())


def test_pictures_for_a_model_of_int8_codes_are_refused_with_what_to_do(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "a.png")

    with pytest.raises(SourceError, match="pixels are uint8, for a source of int8; record"):
        ImageFolder(tmp_path, codes("int8", 1)[2], LABELS)
