"""The verb retrain: one named worker for each work_dir, which goes on."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from deploy.commands import retrain
from deploy.errors import UsageError
from deploy.registry.errors import RegistryBusyError
from deploy.retrain.lock import held
from deploy.retrain.worker import RetrainWorker
from tests.unit.deploy.fakes import START_S, FakeClock


def test_a_worker_keeps_its_name_for_as_long_as_it_has_its_files(tmp_path: Path) -> None:
    with held(tmp_path / "one") as first:
        pass
    (tmp_path / "one").rename(tmp_path / "moved")

    with held(tmp_path / "moved") as again, held(tmp_path / "two") as other:
        assert again == first
        assert other != first


def test_a_directory_has_one_worker_at_a_time(tmp_path: Path) -> None:
    with held(tmp_path), pytest.raises(UsageError, match="another retraining worker uses"), held(tmp_path):
        pass


def test_a_registry_that_is_busy_for_long_does_not_end_the_worker(clock: FakeClock) -> None:
    class Busy:
        def __init__(self) -> None:
            self.answers = iter([RegistryBusyError("held by another process"), KeyboardInterrupt()])

        def step(self) -> bool:
            raise next(self.answers)

    with pytest.raises(KeyboardInterrupt):
        retrain._work(cast("RetrainWorker", Busy()), clock)

    assert clock.now_s == START_S + retrain.POLL_S
