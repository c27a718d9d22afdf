"""The e-detectors behind River's interface."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from river import checks
from river.base import BinaryDriftDetector, DriftDetector

from agent.worker.drift import river_detectors
from edge_models import drift
from edge_models.profile import Profile, build_profile

DETECTORS = (river_detectors.EBank, river_detectors.ClassPrior, river_detectors.ErrorRate)


def _profile() -> Profile:
    rng = np.random.default_rng(0)
    return build_profile(("level", "tone"), rng.normal(size=(512, 2)), rng.integers(3, size=512), 3)


@pytest.mark.parametrize("kind", DETECTORS)
def test_rivers_own_checks_pass(kind: Any) -> None:
    for parameters in kind._unit_test_params():
        checks.check_estimator(kind(**parameters))


def test_they_are_detectors_of_river() -> None:
    assert issubclass(river_detectors.EBank, DriftDetector)
    assert issubclass(river_detectors.ClassPrior, DriftDetector)
    assert issubclass(river_detectors.ErrorRate, BinaryDriftDetector)


def test_the_bank_alarms_with_its_core() -> None:
    profile, rng = _profile(), np.random.default_rng(1)
    bets = drift.Bets(profile)
    core, bank = drift.EBank(bets, 1000), river_detectors.EBank(profile, threshold=1000)
    alarms = 0

    for values in rng.normal(1.0, 1.0, (300, 2)):
        bank.update({"level": values[0], "tone": values[1]}, predicted=1)

        assert bank.drift_detected == core.update(bets.of(bets.columns.of(values), 1))
        alarms += bank.drift_detected

    assert alarms > 1
    assert bank.ranked(3) == core.ranked(3)


def test_a_signal_that_is_missing_or_no_number_is_no_evidence() -> None:
    bank = river_detectors.EBank(_profile(), threshold=100)

    for _ in range(99):
        bank.update({"level": float("nan")})

        assert not bank.drift_detected


def test_a_clone_starts_anew_with_the_same_parameters() -> None:
    errors = river_detectors.ErrorRate(reference_error=0.1, threshold=50)
    for _ in range(3):
        errors.update(True)

    clone = errors.clone()

    assert (clone.reference_error, clone.threshold, clone.tolerance) == (0.1, 50, drift.ERROR_TOLERANCE)
    assert clone._core.value == 0
    assert errors._core.value > 0


def test_they_are_built_without_scipy() -> None:
    code = (
        "import sys; from agent.worker.drift import river_detectors as r; r.ClassPrior(); r.ErrorRate();"
        "print(sorted({'scipy', 'pandas', 'sklearn', 'river.drift'} & set(sys.modules)))"
    )

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "[]"
