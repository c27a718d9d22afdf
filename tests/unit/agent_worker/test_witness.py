"""When a signal changed, and whether it came back."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.worker.drift.witness import Witness
from agent.worker.errors import DetectorError


def witness(item: dict[str, object] | None = None) -> Witness:
    return Witness(("light", "tone"), (0.5, 0.5), item or {"name": "adwin", "delta": 0.002})


def fed(seen: Witness, ranks: NDArray[np.float64], *, start: int, step: int = 1) -> None:
    for index, row in enumerate(ranks):
        seen.update(row, start + index * step)


def ranks(n: int, *, seed: int, light: float = 0.0) -> NDArray[np.float64]:
    values = np.random.default_rng(seed).random((n, 2))
    values[:, 0] = np.clip(values[:, 0] + light, 0, 1)
    return values


def test_a_stream_that_stays_has_not_changed() -> None:
    seen = witness()
    fed(seen, ranks(2000, seed=0), start=0)

    assert seen.changed_at is None


@pytest.mark.parametrize(("before", "step"), [(300, 1), (2000, 1), (700, 20)])
def test_the_change_is_dated_in_frames_of_the_source(before: int, step: int) -> None:
    seen = witness()
    fed(seen, ranks(before, seed=0), start=0, step=step)
    fed(seen, ranks(200, seed=1, light=0.4), start=before * step, step=step)

    assert seen.changed_at is not None
    assert abs(seen.changed_at - before * step) <= 25 * step


def test_a_signal_that_came_back_has_not_changed() -> None:
    seen = witness()
    fed(seen, ranks(600, seed=0), start=0)
    fed(seen, ranks(300, seed=1, light=0.5), start=600)
    assert seen.changed_at is not None

    fed(seen, ranks(400, seed=2), start=900)

    assert seen.changed_at is None


def test_after_a_reset_the_past_is_forgotten() -> None:
    seen = witness()
    fed(seen, ranks(600, seed=0), start=0)
    fed(seen, ranks(300, seed=1, light=0.5), start=600)

    seen.reset()
    fed(seen, ranks(300, seed=3, light=0.5), start=900)

    assert seen.changed_at is None


def test_another_detector_of_river_may_be_the_witness() -> None:
    seen = witness({"name": "page_hinkley", "threshold": 10})
    fed(seen, ranks(300, seed=0), start=0)
    fed(seen, ranks(200, seed=1, light=0.5), start=300)

    assert seen.changed_at is not None


def test_a_witness_that_does_not_exist_is_refused() -> None:
    with pytest.raises(DetectorError, match="nobody"):
        witness({"name": "nobody"})
