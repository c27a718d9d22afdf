"""A worker on a spiking artifact: the executor it tells, and what it learns, forgets and hands on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agent.config import AdaptationConfig, ReplaySource
from agent.ipc import (
    Adapted,
    Feedback,
    FrameIn,
    Heartbeat,
    PredictionOut,
    Ready,
    RestoreAdaptation,
    SelfTest,
    ShadowVerdict,
    SourceEnded,
    Stop,
    UndoAdaptation,
)
from edge_models.bundle import Bundle
from edge_models.engines import open_engine
from tests.factories.frames import digit_frames, write_recording
from tests.factories.spiking_digits import SPIKING, STEPS, make_spiking_digits
from tests.integration.agent_worker.harness import WorkerProcess, configure

pytestmark = pytest.mark.integration
SWAPPED = np.array([0, 7, 2, 3, 4, 5, 6, 1, 8, 9])
FRAMES = 600
ADAPTATION = AdaptationConfig()


@pytest.fixture(scope="module")
def spiking(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_spiking_digits(tmp_path_factory.mktemp("bundles") / "digits")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frames, labels = digit_frames(FRAMES, seed=50)
    return write_recording(tmp_path_factory.mktemp("frames") / "frames.npz", frames, SWAPPED[labels])


def begin(worker: WorkerProcess, spiking: Bundle, recording: Path, **fields: object) -> Ready:
    source = ReplaySource(path=str(recording), rate_hz=2000.0)
    worker.send(configure(spiking, artifact=SPIKING, source=source, predictions_hz=1000.0, boot=3, **fields))
    return worker.wait_for(Ready)


def teach(worker: WorkerProcess, recording: Path) -> Adapted:
    """Tell every true label; the last weights that came into use."""
    worker.wait_for(SourceEnded)
    labels = np.load(recording)["y"]
    for seq, label in enumerate(labels):
        worker.send(Feedback(id=f"3-{seq}", label=int(label)))
    worker.wait_for(Adapted)
    worker.wait_for(Heartbeat)
    worker.wait_for(Heartbeat)
    return worker.all_of(Adapted)[-1]


def test_it_tells_what_runs_the_network_and_what_would_be_faster(
    worker: WorkerProcess, spiking: Bundle, recording: Path
) -> None:
    ready = begin(worker, spiking, recording)
    worker.wait_for(SourceEnded)
    beat = worker.wait_for(Heartbeat)

    assert ready.executor in ("c-delta", "c", "numpy")
    assert bool(ready.note) == (ready.executor == "numpy")
    assert beat.executor in ("c-delta", "c", "numpy")
    assert (beat.seq, beat.adapted_rev, beat.mean_steps) == (FRAMES, None, STEPS)


def test_a_spiking_candidate_passes_its_self_test_bit_for_bit_and_agrees(
    worker: WorkerProcess, spiking: Bundle, recording: Path
) -> None:
    frames = np.load(recording)["x"][:5]
    engine = open_engine(spiking, SPIKING)
    labels = [int(engine.run(frame[..., None])["logits"].argmax()) for frame in frames]
    engine.close()
    worker.send(configure(spiking, artifact=SPIKING, role="candidate"))

    test = worker.wait_for(SelfTest)
    for frame, label in zip(frames, labels, strict=True):
        message = FrameIn(origin="shadow", dtype="uint8", shape=frame.shape, label_of_active=label)
        worker.send(message, frame.tobytes())
    verdict = worker.wait_for(ShadowVerdict, lambda verdict: verdict.n == len(frames))

    assert (test.ok, test.worst_lsb) == (True, 0)
    assert (verdict.agree, verdict.nan) == (len(frames), 0)


def test_labels_change_predictions_and_the_next_worker_goes_on_with_them(
    worker: WorkerProcess, spiking: Bundle, recording: Path
) -> None:
    begin(worker, spiking, recording, adaptation=ADAPTATION)
    learnt = teach(worker, recording)
    body = worker.body_of(learnt)
    assert worker.all_of(Heartbeat)[-1].adapted_rev == learnt.rev > 0

    with WorkerProcess() as other:
        source = ReplaySource(path=str(recording), rate_hz=500.0)
        other.send(
            configure(spiking, artifact=SPIKING, source=source, predictions_hz=1000.0, boot=4, adaptation=ADAPTATION)
        )
        other.send(RestoreAdaptation(), body)
        other.wait_for(SourceEnded)
        assert other.wait_for(Heartbeat).adapted_rev == learnt.rev

        labels = np.load(recording)["y"]
        told = {prediction.position: prediction.label for prediction in other.all_of(PredictionOut)}
        before = {prediction.position: prediction.label for prediction in worker.all_of(PredictionOut)}
        changed = [position for position, label in told.items() if before.get(position, label) != label]
        assert sum(told[p] == labels[p or 0] for p in changed) > 2 * sum(before[p] == labels[p or 0] for p in changed)


def test_undo_goes_back_and_is_told(worker: WorkerProcess, spiking: Bundle, recording: Path) -> None:
    begin(worker, spiking, recording, adaptation=ADAPTATION)
    rev = teach(worker, recording).rev

    worker.send(UndoAdaptation())
    undone = worker.wait_for(Adapted, lambda message: message.why == "undone")

    assert undone.rev < rev
    worker.wait_for(Heartbeat, lambda beat: beat.adapted_rev == undone.rev)


def test_what_cannot_be_brought_back_leaves_the_artifact_alone(
    worker: WorkerProcess, spiking: Bundle, recording: Path
) -> None:
    begin(worker, spiking, recording, adaptation=ADAPTATION)

    worker.send(RestoreAdaptation(), b"no weights")
    worker.wait_for(SourceEnded)
    beat = worker.wait_for(Heartbeat)
    worker.send(Stop())

    assert beat.adapted_rev == 0
    assert worker.end() == 0


def test_an_artifact_on_which_nothing_can_be_learnt_runs_all_the_same(
    worker: WorkerProcess, bundle: Bundle, recording: Path
) -> None:
    source = ReplaySource(path=str(recording), rate_hz=2000.0)
    worker.send(configure(bundle, source=source, adaptation=ADAPTATION))

    assert "no output of role embedding" in worker.wait_for(Ready).unadaptable
    worker.wait_for(SourceEnded)
    assert worker.wait_for(Heartbeat).adapted_rev is None
