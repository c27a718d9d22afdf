"""A candidate: golden inputs first, then copies of real frames."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from agent.ipc import Failed, FrameIn, Heartbeat, Ready, SelfTest, ShadowVerdict, Stop
from edge_models.bundle import Bundle
from tests.factories.bundles import make_bundle
from tests.factories.frames import digit_frames
from tests.integration.agent_worker.harness import WorkerProcess, configure

pytestmark = pytest.mark.integration


def shadow(worker: WorkerProcess, frame: np.ndarray, label: int | None, position: int = 0) -> ShadowVerdict:
    message = FrameIn(
        origin="shadow", dtype="uint8", shape=tuple(frame.shape), position=position, label_of_active=label
    )
    worker.send(message, frame.tobytes())
    return worker.wait_for(ShadowVerdict)


def test_a_good_model_passes_and_waits(worker: WorkerProcess, bundle: Bundle) -> None:
    worker.send(configure(bundle, role="candidate"))

    ready, test = worker.wait_for(Ready), worker.wait_for(SelfTest)
    worker.wait_for(Heartbeat)
    worker.send(Stop())

    assert ready.artifact == "tflite-int8"
    assert test.ok, test.reason
    assert test.top1 == 1.0
    assert test.p50_us > 0
    assert worker.end() == 0


@pytest.mark.parametrize("role", [{"role": "candidate"}, {"standby": True}], ids=["candidate", "standby"])
def test_it_says_a_word_with_each_golden_input_so_that_a_slow_model_is_not_taken_for_one_that_hangs(
    worker: WorkerProcess, bundle: Bundle, role: dict[str, object]
) -> None:
    worker.send(configure(bundle, **role))
    worker.wait_for(SelfTest if "role" in role else Ready)

    assert len(worker.all_of(Heartbeat)) >= bundle.artifact("tflite-int8").probe.count


def test_a_model_that_gives_other_answers_fails_its_test(worker: WorkerProcess, tmp_path: Path) -> None:
    worker.send(configure(make_bundle(tmp_path / "bundle", golden_is_wrong=True), role="candidate"))

    test = worker.wait_for(SelfTest)

    assert not test.ok
    assert "differ by" in test.reason


def test_every_shadow_frame_gets_a_verdict(worker: WorkerProcess, bundle: Bundle) -> None:
    frames, labels = digit_frames(20, seed=8)
    worker.send(configure(bundle, role="candidate"))
    worker.wait_for(SelfTest)

    verdicts = [
        shadow(worker, frame, int(label), i) for i, (frame, label) in enumerate(zip(frames, labels, strict=True))
    ]

    assert [verdict.n for verdict in verdicts] == list(range(1, 21))
    assert verdicts[-1].agree >= 17
    assert verdicts[-1].nan == 0
    assert verdicts[-1].p95_us > 0


def test_a_frame_that_it_cannot_take_counts_against_it(worker: WorkerProcess, bundle: Bundle) -> None:
    worker.send(configure(bundle, role="candidate"))
    worker.wait_for(SelfTest)

    verdict = shadow(worker, np.zeros((9, 9), np.uint8), 3)

    assert (verdict.n, verdict.agree, verdict.nan) == (1, 0, 1)


def test_a_model_that_no_runtime_takes_is_told(worker: WorkerProcess, tmp_path: Path) -> None:
    worker.send(configure(make_bundle(tmp_path / "bundle", unknown_op=True), role="candidate"))

    assert worker.wait_for(Failed).code == "runtime"
    assert worker.end() == 1


def test_a_candidate_is_bounded(worker: WorkerProcess, bundle: Bundle) -> None:
    worker.send(configure(bundle, role="candidate"))
    worker.wait_for(SelfTest)

    limits = Path(f"/proc/{worker.process.pid}/limits").read_text().splitlines()

    address_space = next(line for line in limits if line.startswith("Max address space"))
    core = next(line for line in limits if line.startswith("Max core file size"))
    assert address_space.split()[3] == str(2 << 30)
    assert core.split()[4] == "0"
    assert os.getpriority(os.PRIO_PROCESS, worker.process.pid) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 10)
