"""What every drift detector promises, whichever of River's stands behind it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from agent.worker.drift.loader import is_binary
from agent.worker.drift.per_signal import ERROR_SIGNAL
from agent.worker.drift.port import Alarm, DriftDetector
from agent.worker.drift.registry import Watched, build_detectors

BINARY = ("ddm", "eddm", "fhddm")
NAMES = ("adwin", "page_hinkley", *BINARY, pytest.param("kswin", marks=pytest.mark.slow))
SETTINGS: dict[str, dict[str, object]] = {"page_hinkley": {"threshold": 5.0}}
EDGES = np.linspace(0, 1, 33).tolist()


@pytest.fixture(params=NAMES)
def detector(request: pytest.FixtureRequest) -> DriftDetector:
    """A detector on two signals of which the reference is even in 0..1."""
    watched = Watched(signals=("a", "b"), edges={"a": EDGES, "b": EDGES})
    name = str(request.param)
    (built,) = build_detectors([{"name": name, **SETTINGS.get(name, {})}], watched)
    return built


def signal_of(detector: DriftDetector) -> str:
    return ERROR_SIGNAL if is_binary(detector.name) else "a"


def stream(detector: DriftDetector, n: int, *, high: bool, seed: int = 0) -> list[dict[str, float]]:
    """Values of a calm stream, or of one that changed for good."""
    rng = np.random.default_rng(seed)
    if is_binary(detector.name):
        return [{ERROR_SIGNAL: float(rng.random() < (0.7 if high else 0.05))} for _ in range(n)]
    low, top = (0.8, 1.0) if high else (0.2, 0.8)
    return [{"a": float(rng.uniform(low, top)), "b": float(rng.uniform(0.2, 0.8))} for _ in range(n)]


def run(detector: DriftDetector, values: list[dict[str, float]], *, start: int = 0) -> list[Alarm]:
    return [alarm for i, signals in enumerate(values) for alarm in detector.update(signals, None, start + i)]


def test_a_change_is_found_where_it_is(detector: DriftDetector) -> None:
    run(detector, stream(detector, 1000, high=False))

    alarms = run(detector, stream(detector, 500, high=True, seed=1), start=1000)

    assert alarms
    assert {alarm.signal for alarm in alarms} == {signal_of(detector)}
    assert {alarm.detector for alarm in alarms} == {detector.name}
    assert all(1000 <= alarm.position < 1500 for alarm in alarms)


def test_values_that_it_cannot_use_do_no_harm(detector: DriftDetector) -> None:
    name = signal_of(detector)
    useless = [{}, {"unknown": 1.0}, {name: math.nan}, {name: math.inf}]

    assert run(detector, useless * 300) == []
    run(detector, stream(detector, 1000, high=False))
    assert run(detector, stream(detector, 500, high=True, seed=1))


def test_after_a_reset_it_is_as_new(detector: DriftDetector) -> None:
    values = stream(detector, 600, high=False) + stream(detector, 300, high=True)
    first = run(detector, values)

    detector.reset()

    assert run(detector, values) == first
