"""The row of a window keeps its counts, with everything full: 25 signals, 12 classes, every kind of fault."""

from __future__ import annotations

import numpy as np
import pytest

from agent import ipc
from agent.core import events as ev
from edge_models.profile import build_profile
from edge_models.sketch import Sketch
from edge_models.wire.codec import encode_message
from edge_models.wire.telemetry import Stats
from tests.unit.agent.whole_core import Device, messages
from tests.unit.agent.world import running

FAULTS = ("refused", "out_of_range", "repeated", "not_a_number", "constant", "missing")


@pytest.mark.parametrize("frames", [200, 2000])
def test_row_of_many_signals_and_classes_keeps_its_counts_within_its_limit(frames: int) -> None:
    rng = np.random.default_rng(0)
    names, classes = tuple(f"signal_{number}" for number in range(25)), rng.integers(0, 12, 4000)
    profile = build_profile(names, rng.normal(size=(4000, 25)), classes, 12)
    sketch = Sketch.of(profile)
    sketch.add_batch(profile.bins(rng.normal(size=(frames, 25))), rng.integers(0, 12, frames))
    device = Device(running("a"))
    verdict = ipc.Verdict(
        start=0, position=199, n=200, n_effective=200, profile=profile.id, effects={"signal_0": 0.01},
        faults=dict.fromkeys(FAULTS, 100_000),
    )  # fmt: skip
    window = ipc.Window(
        start=123_456_789, position=123_456_989, n=frames, held=frames, seconds=1234.567, rate_hz=123.456,
        p50_us=1234.567, p95_us=12345.678, mean_confidence=0.98765, profile=profile.id, thin=12_345,
        classes={str(number): 100_000 for number in range(12)}, sketch=sketch.encode(),
    )  # fmt: skip

    device.tell(ev.WorkerVerdict(verdict=verdict))
    (row,) = messages(Stats, device.tell(ev.WorkerWindow(window=window)))

    assert isinstance(row, Stats)
    assert row.sketch == sketch.encode()
    assert len(row.classes) == 12
    assert len(row.faults) == len(FAULTS)
    assert len(encode_message(row)) <= 2048
