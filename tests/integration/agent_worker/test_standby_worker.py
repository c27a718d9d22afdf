"""A worker on standby: proven and loaded, away from the source until it may go."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from agent.config import DriftConfig, ReplaySource
from agent.ipc import (
    DriftSaved,
    EvidenceOn,
    Failed,
    Feedback,
    FrameIn,
    Go,
    Heartbeat,
    PredictionOut,
    Ready,
    RestoreDrift,
    SelfTest,
    ShadowFrame,
    ShadowOn,
    ShadowVerdict,
    Stop,
    Verdict,
)
from edge_models.bundle import Bundle
from tests.factories.bundles import make_bundle
from tests.integration.agent_worker.harness import WorkerProcess, configure

pytestmark = pytest.mark.integration

RATE_HZ = 200.0


def source(drifting: Path, rate_hz: float = RATE_HZ) -> ReplaySource:
    return ReplaySource(path=str(drifting), rate_hz=rate_hz, loop=True)


def test_it_takes_no_frame_before_it_may_go_and_then_begins_where_it_is_told(
    worker: WorkerProcess, bundle: Bundle, drifting: Path
) -> None:
    worker.send(configure(bundle, standby=True, source=source(drifting), predictions_hz=1000.0))
    worker.wait_for(Ready)
    beat = worker.wait_for(Heartbeat)
    assert (beat.seq, beat.health) == (0, None)
    assert worker.all_of(PredictionOut) == []

    gone_s = time.monotonic()
    worker.send(Go(position=123))
    first = worker.wait_for(PredictionOut)

    assert (first.position, first.seq) == (123, 123)
    assert time.monotonic() - gone_s < 0.5  # what took long was done before
    beat = worker.wait_for(Heartbeat, lambda beat: beat.health is not None)
    assert beat.health is not None
    assert beat.health.golden_ok


def test_golden_inputs_that_come_out_otherwise_end_it_before_it_is_ready(
    worker: WorkerProcess, tmp_path: Path, drifting: Path
) -> None:
    bundle = make_bundle(tmp_path / "bundle", golden_is_wrong=True)

    worker.send(configure(bundle, standby=True, source=source(drifting)))

    failed = worker.wait_for(Failed)
    assert failed.code == "runtime"
    assert "golden inputs of tflite-int8" in failed.message
    assert worker.all_of(Ready) == []


def test_what_it_is_told_before_it_may_go_is_done_before_its_first_frame(
    worker: WorkerProcess, bundle: Bundle, drifting: Path
) -> None:
    quick = DriftConfig(window_effective=50)
    with WorkerProcess() as before:
        before.send(configure(bundle, source=source(drifting), drift=quick))
        before.wait_for(Heartbeat, lambda beat: beat.seq > 300)
        before.send(Stop())
        before.end()
        saved = before.all_of(DriftSaved)[-1]
        known = before.body_of(saved)
    worker.send(configure(bundle, standby=True, source=source(drifting), drift=quick))
    worker.wait_for(Ready)

    worker.send(RestoreDrift(kind="trigger"), known)
    worker.send(EvidenceOn(on=True))
    worker.send(Go(position=0))

    assert worker.wait_for(Verdict).evidence_n > 0


def test_it_ends_when_it_is_told_so_before_it_went(worker: WorkerProcess, bundle: Bundle, drifting: Path) -> None:
    worker.send(configure(bundle, standby=True, source=source(drifting)))
    worker.wait_for(Ready)

    worker.send(Stop())

    assert worker.end() == 0


def test_candidate_and_active_worker_measure_the_same_frames(
    worker: WorkerProcess, bundle: Bundle, drifting: Path
) -> None:
    worker.send(configure(bundle, role="candidate", boot=7))
    assert worker.wait_for(SelfTest).ok
    verdict = ShadowVerdict(n=0, agree=0, nan=0, p95_us=0.0)
    with WorkerProcess() as active:
        active.send(configure(bundle, source=source(drifting), boot=7))
        active.wait_for(Ready)
        active.send(ShadowOn(on=True, rate_hz=1000))
        for _ in range(100):
            copy = active.wait_for(ShadowFrame)
            frame = FrameIn(
                origin="shadow", dtype=copy.dtype, shape=copy.shape, position=copy.position, seq=copy.seq,
                label_of_active=copy.label, effect_of_active=copy.effect, p95_us_of_active=copy.p95_us,
            )  # fmt: skip
            worker.send(frame, active.body_of(copy))
            worker.send(Feedback(id=f"7-{copy.seq}", label=0))
            verdict = worker.wait_for(ShadowVerdict)

    assert (verdict.n, verdict.agree, verdict.nan, verdict.constant) == (100, 100, 0, False)
    assert verdict.labelled >= 99  # that of the last frame may come after its verdict
    assert verdict.right == verdict.active_right
    assert verdict.effect is not None
    assert verdict.active_effect == pytest.approx(verdict.effect, abs=0.1)
    assert verdict.active_p95_us is not None
    assert verdict.confidence is not None
    assert verdict.rss_kb > 10_000
