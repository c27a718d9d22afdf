"""What several tests of the worker start from."""

from __future__ import annotations

import pytest

from agent.worker.drift.registry import Watched
from agent.worker.opened_model import OpenedModel, open_model
from edge_models.bundle import Bundle
from tests.factories.bundles import INT8, make_bundle
from tests.unit.agent_worker.signals import watched_inputs


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle of the fixture model with a profile; nobody may write into it."""
    return make_bundle(tmp_path_factory.mktemp("bundles") / "bundle")


@pytest.fixture(scope="session")
def model(bundle: Bundle) -> OpenedModel:
    """The bundle's int8 artifact, loaded."""
    return open_model(bundle.directory, INT8)


@pytest.fixture(scope="session")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """The input signals of the bundle, with their reference."""
    return watched_inputs(tmp_path_factory.mktemp("profile") / "bundle")


class FakeClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic_s(self) -> float:
        """Seconds as the test set them."""
        return self.now_s

    def utc_s(self) -> float | None:
        """Never needed here."""
        return None

    def ns(self) -> int:
        """The same time for stage times."""
        return int(self.now_s * 1e9)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
