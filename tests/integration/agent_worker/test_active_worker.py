"""The active worker as the supervisor sees it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from agent.config import DriftConfig, GatingConfig, MqttSource, ReplaySource, SamplesConfig
from agent.ipc import (
    Alarm,
    DeliverSamples,
    DriftSaved,
    EvidenceOn,
    Failed,
    Feedback,
    FrameIn,
    Heartbeat,
    PredictionOut,
    Ready,
    SampleOut,
    SamplesOn,
    ShadowFrame,
    ShadowOn,
    Snapshot,
    SourceDown,
    SourceEnded,
    SourceUp,
    Stop,
    Verdict,
    Window,
    WipeSamples,
)
from agent.worker.drift.saved import TriggerState
from agent.worker.offline import replay
from edge_models.bundle import Bundle
from edge_models.sketch import Sketch
from edge_models.wire.predictions import SampleReason
from tests.factories.bundles import make_bundle
from tests.factories.frames import digit_frames, write_recording
from tests.integration.agent_worker.harness import ROOT, WorkerProcess, configure

pytestmark = pytest.mark.integration


def fast(path: Path, *, rate_hz: float = 2000.0, loop: bool = False) -> ReplaySource:
    return ReplaySource(path=str(path), rate_hz=rate_hz, loop=loop)


def test_it_runs_a_recording_to_its_end_and_stays(worker: WorkerProcess, bundle: Bundle, drifting: Path) -> None:
    worker.send(configure(bundle, source=fast(drifting), predictions_hz=1000.0))

    ready = worker.wait_for(Ready)
    ended = worker.wait_for(SourceEnded)
    beat = worker.wait_for(Heartbeat)
    worker.send(Stop())

    assert ready.runtime.split()[0] in ("ai-edge-litert", "tflite-runtime")
    assert 10_000 < ready.rss_kb < 200_000
    assert ended.position == beat.position == beat.seq == 800
    assert worker.end() == 0
    windows = worker.all_of(Window)
    assert [window.position for window in windows] == [199, 399, 599, 799]
    assert worker.all_of(Verdict)[-1].effects["mean"] > 0.9
    assert 400 <= worker.all_of(Alarm)[0].position < 500


def test_a_still_scene_is_held_and_every_frame_is_answered(
    worker: WorkerProcess, bundle: Bundle, tmp_path: Path
) -> None:
    still = write_recording(tmp_path / "still.npz", np.repeat(digit_frames(1)[0], 210, axis=0))
    gating = GatingConfig(threshold=12, max_held=20)
    worker.send(configure(bundle, source=fast(still, rate_hz=500.0), gating=gating, predictions_hz=1000.0))

    worker.wait_for(SourceEnded)
    beat = worker.wait_for(Heartbeat)

    assert (beat.seq, beat.held, beat.executor) == (210, 200, worker.all_of(Ready)[0].executor)
    assert worker.all_of(Window)[0].held == 190
    assert len({prediction.label for prediction in worker.all_of(PredictionOut)}) == 1
    assert len(worker.all_of(PredictionOut)) == 210


def test_predictions_are_the_models_and_name_their_frame(worker: WorkerProcess, bundle: Bundle, drifting: Path) -> None:
    labels = np.load(drifting)["y"]
    worker.send(configure(bundle, source=fast(drifting, rate_hz=500.0), predictions_hz=1000.0))

    worker.wait_for(SourceEnded)

    predictions = worker.all_of(PredictionOut)
    assert [prediction.position for prediction in predictions] == list(range(800))
    right = [prediction.label == labels[prediction.position or 0] for prediction in predictions[:400]]
    assert np.mean(right) > 0.93


def test_the_offline_replay_says_what_the_worker_says(worker: WorkerProcess, bundle: Bundle, drifting: Path) -> None:
    offline = replay(bundle.directory, drifting, clock_ns=time.perf_counter_ns, rate_hz=500.0)
    worker.send(configure(bundle, source=fast(drifting, rate_hz=500.0), predictions_hz=1000.0))

    worker.wait_for(SourceEnded)

    live = [(alarm.position, alarm.signal, alarm.detector) for alarm in worker.all_of(Alarm)]
    assert live == [(alarm.position, alarm.signal, alarm.detector) for alarm in offline.alarms]
    assert [prediction.label for prediction in worker.all_of(PredictionOut)] == offline.predictions


def test_a_worker_that_is_stopped_leaves_what_the_next_one_goes_on_with(
    worker: WorkerProcess, bundle: Bundle, drifting: Path
) -> None:
    worker.send(configure(bundle, source=fast(drifting, rate_hz=1000.0)))
    worker.wait_for(SourceEnded)
    worker.send(Stop())
    assert worker.end() == 0

    saved = worker.all_of(DriftSaved)
    body = worker.body_of(saved[-1])
    assert {message.kind for message in saved} == {"trigger"}
    assert len(body) < 4096
    assert TriggerState.from_bytes(body).n_effective == 800


def test_predictions_keep_to_their_rate(worker: WorkerProcess, bundle: Bundle, drifting: Path) -> None:
    worker.send(configure(bundle, source=fast(drifting, rate_hz=1000.0), predictions_hz=10.0))

    worker.wait_for(SourceEnded)

    assert 10 <= len(worker.all_of(PredictionOut)) <= 40


def test_it_goes_on_where_another_worker_stopped(worker: WorkerProcess, bundle: Bundle, drifting: Path) -> None:
    worker.send(configure(bundle, source=fast(drifting), position=750, predictions_hz=1000.0, boot=2))

    worker.wait_for(SourceEnded)

    predictions = worker.all_of(PredictionOut)
    assert [(prediction.position, prediction.seq) for prediction in predictions] == [(i, i) for i in range(750, 800)]


def test_a_frame_comes_no_earlier_than_its_rate_says(worker: WorkerProcess, bundle: Bundle, drifting: Path) -> None:
    worker.send(configure(bundle, source=fast(drifting, rate_hz=20.0), predictions_hz=1000.0))
    worker.wait_for(PredictionOut)
    start_s = time.monotonic()

    worker.wait_for(PredictionOut, lambda prediction: prediction.position == 20)

    assert time.monotonic() - start_s > 0.8


def test_the_heart_beats_without_frames(worker: WorkerProcess, bundle: Bundle) -> None:
    worker.send(configure(bundle))
    worker.wait_for(Ready)
    start_s = time.monotonic()

    beats = [worker.wait_for(Heartbeat) for _ in range(3)]

    assert time.monotonic() - start_s < 3.0
    assert [(beat.position, beat.seq) for beat in beats] == [(0, 0)] * 3


def test_frames_from_mqtt_are_run_as_they_come(worker: WorkerProcess, bundle: Bundle) -> None:
    frames, _ = digit_frames(3, seed=6)
    worker.send(configure(bundle, source=MqttSource(topic="camera", encoding="raw"), predictions_hz=100.0))
    worker.wait_for(Ready)

    worker.send(FrameIn(origin="mqtt"), b"not a frame")
    for frame in frames:
        worker.send(FrameIn(origin="mqtt"), frame.tobytes())
    last = worker.wait_for(PredictionOut, lambda prediction: prediction.position == 2)

    assert last.label is not None
    worker.send(FrameIn(origin="mqtt", encoding="json"), str(frames[0].tolist()).encode())
    assert worker.wait_for(PredictionOut).label == worker.all_of(PredictionOut)[0].label
    assert worker.wait_for(Heartbeat, lambda beat: beat.seq == 4).refused == 1


def test_shadow_copies_are_the_frames_with_the_answer(worker: WorkerProcess, bundle: Bundle, drifting: Path) -> None:
    x = np.load(drifting)["x"]
    worker.send(configure(bundle, source=fast(drifting, rate_hz=200.0), predictions_hz=1000.0))
    worker.send(ShadowOn(on=True, rate_hz=1000.0))

    copy = worker.wait_for(ShadowFrame)
    worker.wait_for(ShadowFrame)
    worker.send(ShadowOn(on=False))
    worker.send(Stop())
    worker.end()

    assert copy.position is not None
    sent = np.frombuffer(worker.body_of(copy), copy.dtype).reshape(copy.shape)
    assert (sent == x[copy.position]).all()
    labels = {prediction.position: prediction.label for prediction in worker.all_of(PredictionOut)}
    assert copy.label == labels[copy.position]


def test_samples_leave_within_their_budget_only(worker: WorkerProcess, bundle: Bundle, drifting: Path) -> None:
    samples = SamplesConfig(enabled=True, rate_hz=100.0)
    worker.send(configure(bundle, source=fast(drifting, rate_hz=1000.0), samples=samples))
    worker.send(SamplesOn(on=True, budget_left=5, signal="mean"))
    worker.wait_for(SourceEnded)  # what leaves before depends on which frames have come by then

    worker.send(DeliverSamples(n=100))
    worker.wait_for(SampleOut, lambda _: len(worker.all_of(SampleOut)) >= 5)
    worker.wait_for(Heartbeat)  # half a second, and so 50 samples, later

    chosen = worker.all_of(SampleOut)
    assert len(chosen) == 5
    assert {sample.why for sample in chosen} == {SampleReason.UNCERTAIN, SampleReason.RANDOM, SampleReason.DRIFT}
    assert {sample.signal for sample in chosen} == {"mean"}
    assert len({sample.position for sample in chosen}) == 5
    assert len(worker.body_of(chosen[0])) == 64


def test_samples_are_delivered_after_the_source_has_ended_and_none_after_they_were_wiped(
    worker: WorkerProcess, bundle: Bundle, drifting: Path
) -> None:
    samples = SamplesConfig(enabled=True, rate_hz=100.0)
    worker.send(configure(bundle, source=fast(drifting, rate_hz=1000.0), samples=samples))
    worker.send(SamplesOn(on=True, budget_left=50))
    worker.wait_for(SourceEnded)
    assert worker.all_of(SampleOut) == []

    worker.send(DeliverSamples(n=10))
    worker.wait_for(SampleOut, lambda _: len(worker.all_of(SampleOut)) == 10)
    worker.send(WipeSamples())
    worker.send(DeliverSamples(n=10))
    worker.wait_for(Heartbeat, lambda beat: beat.seq >= 0)

    assert len(worker.all_of(SampleOut)) == 10


def test_a_snapshot_is_the_next_frame(worker: WorkerProcess, bundle: Bundle, drifting: Path) -> None:
    worker.send(configure(bundle, source=fast(drifting, rate_hz=50.0)))
    worker.wait_for(Ready)

    worker.send(Snapshot())

    assert worker.wait_for(SampleOut).why is SampleReason.OPERATOR


def test_evidence_adds_up_verdicts(worker: WorkerProcess, bundle: Bundle, drifting: Path) -> None:
    worker.send(configure(bundle, source=fast(drifting)))
    worker.send(EvidenceOn(on=True))

    worker.wait_for(SourceEnded)

    verdicts = worker.all_of(Verdict)
    assert len(verdicts) >= 2
    assert [verdict.evidence_n for verdict in verdicts] == [200 * (i + 1) for i in range(len(verdicts))]
    assert Sketch.decode(verdicts[-1].evidence).n == verdicts[-1].evidence_n


def test_feedback_reaches_a_detector_of_errors(worker: WorkerProcess, bundle: Bundle, drifting: Path) -> None:
    drift = DriftConfig(detectors=({"name": "ddm"},))
    source = fast(drifting, rate_hz=1000.0)
    worker.send(configure(bundle, source=source, drift=drift, predictions_hz=1000.0, boot=4))
    worker.wait_for(SourceEnded)

    for prediction in worker.all_of(PredictionOut):
        right = prediction.seq < 500
        label = (prediction.label or 0) if right else ((prediction.label or 0) + 1) % 10
        worker.send(Feedback(id=f"4-{prediction.seq}", label=label))

    assert worker.wait_for(Alarm).signal == "error"


def test_it_ends_with_the_supervisors_socket(worker: WorkerProcess, bundle: Bundle, drifting: Path) -> None:
    worker.send(configure(bundle, source=fast(drifting, rate_hz=10.0, loop=True)))
    worker.wait_for(Ready)

    worker.connection.close()

    assert worker.process.wait(5) == 0


def test_it_dies_with_the_supervisor(bundle: Bundle) -> None:
    program = (
        "import os, socket, subprocess, sys, time\n"
        "mine, theirs = socket.socketpair()\n"
        "worker = subprocess.Popen([sys.executable, '-m', 'agent.worker', '--fd', str(theirs.fileno())],"
        " pass_fds=[theirs.fileno(), mine.fileno()])\n"
        "time.sleep(1.0)\n"
        "print(worker.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, check=False, text=True)

    deadline_s = time.monotonic() + 5
    while _alive(int(done.stdout)) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert done.returncode == -signal.SIGKILL
    assert not _alive(int(done.stdout))


def test_a_bundle_that_is_not_there_is_told_and_ends_the_worker(worker: WorkerProcess, bundle: Bundle) -> None:
    worker.send(configure(bundle, artifact="spiking"))

    failed = worker.wait_for(Failed)

    assert (failed.code, worker.end()) == ("bundle", 1)
    assert "no artifact spiking" in failed.message


def test_a_model_that_no_runtime_takes_is_told(worker: WorkerProcess, tmp_path: Path) -> None:
    worker.send(configure(make_bundle(tmp_path / "bundle", unknown_op=True)))

    assert worker.wait_for(Failed).code == "runtime"
    assert worker.end() == 1


def test_a_source_that_is_not_there_is_told_and_opened_once_it_is(
    worker: WorkerProcess, bundle: Bundle, tmp_path: Path
) -> None:
    path = tmp_path / "late.npz"
    worker.send(configure(bundle, source=fast(path, rate_hz=50.0, loop=True), predictions_hz=1000.0))

    worker.wait_for(Ready)
    down = worker.wait_for(SourceDown)
    write_recording(path, digit_frames(20)[0])
    first = worker.wait_for(PredictionOut)

    assert (down.failures, "late.npz" in down.reason) == (1, True)
    assert first.position == 0
    assert worker.wait_for(SourceUp).down_s >= 0.5


def test_a_detector_that_does_not_exist_is_told(worker: WorkerProcess, bundle: Bundle) -> None:
    worker.send(configure(bundle, drift=DriftConfig(detectors=({"name": "adwn"},))))

    assert worker.wait_for(Failed).code == "config"


def test_without_a_socket_it_says_so_in_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "agent.worker", "--fd", "1"],
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
    )

    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "--fd 1 is no socket" in done.stderr


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
