from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.fleet.database import FleetDatabase
from tests.unit.deploy.fakes import FakeClock


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database to copy: migrating takes longer than most tests."""
    path = tmp_path_factory.mktemp("fleet") / "fleet.sqlite"
    FleetDatabase.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def database(migrated_file: Path, tmp_path: Path) -> Iterator[FleetDatabase]:
    shutil.copy(migrated_file, tmp_path / "fleet.sqlite")
    opened = FleetDatabase.open(f"sqlite:///{tmp_path / 'fleet.sqlite'}")
    yield opened
    opened.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
