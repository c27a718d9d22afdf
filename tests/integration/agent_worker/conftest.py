"""Bundles and recordings of the worker's integration tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_models.bundle import Bundle
from tests.factories.bundles import make_bundle
from tests.factories.frames import digit_frames, winter_light, write_recording
from tests.integration.agent_worker.harness import WorkerProcess


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle of the fixture model."""
    return make_bundle(tmp_path_factory.mktemp("bundles") / "bundle")


@pytest.fixture(scope="session")
def drifting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """400 frames as they should be, then 400 in winter light."""
    x0, y0 = digit_frames(400, seed=1)
    x1, y1 = digit_frames(400, seed=2, corruption=winter_light)
    path = tmp_path_factory.mktemp("frames") / "frames.npz"
    return write_recording(path, np.concatenate([x0, x1]), np.concatenate([y0, y1]))


@pytest.fixture
def worker() -> Iterator[WorkerProcess]:
    """A worker that waits for its configuration."""
    with WorkerProcess() as process:
        yield process
