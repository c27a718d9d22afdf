"""An update, with the power cut before every single step towards the disk: there is a model, and there is an end."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.core.update_table import State
from agent.state_dir import StateDir
from agent.storage import Operation, Storage
from edge_models.bundle import Bundle
from tests.unit.agent.pi import Pi, Shop
from tests.unit.registry.bundles import make_bundle
from tests.unit.update_client.memory import memory_directory


class PowerCutError(Exception):
    """Nobody catches it, as nobody catches a power cut."""


@dataclass
class Mains:
    """Counts steps; cuts the power before one of them."""

    cut_at: int | None = None
    steps: int = 0

    def __call__(self, operation: Operation) -> None:
        if self.steps == self.cut_at:
            raise PowerCutError(operation.step)
        self.steps += 1


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Bundle]:
    directory = tmp_path_factory.mktemp("bundles")
    return make_bundle(directory / "old", serial=1), make_bundle(directory / "new", serial=2)


@pytest.fixture
def memory_path(tmp_path: Path) -> Iterator[Path]:
    with memory_directory(tmp_path) as directory:
        yield directory


def start(root: Path, shop: Shop, mains: Mains) -> Pi:
    return Pi(Storage(root, observer=mains), shop)


@pytest.mark.parametrize("new_is_good", [True, False], ids=["good", "bad"])
def test_power_cut_before_any_step_leaves_a_model_and_the_update_ends(
    memory_path: Path, bundles: tuple[Bundle, Bundle], new_is_good: bool
) -> None:
    old, new = bundles
    shop = Shop(bundles, first=old, bad=frozenset() if new_is_good else frozenset({new.id}))
    prepared, whole = memory_path / "prepared", Mains()
    start(prepared, shop, Mains())
    shutil.copytree(prepared, memory_path / "whole")
    start(memory_path / "whole", shop, whole).run(new)
    assert whole.steps > 60

    for cut_at in range(whole.steps):
        root = memory_path / "cut"
        shutil.copytree(prepared, root)
        with pytest.raises(PowerCutError):
            start(root, shop, Mains(cut_at=cut_at)).run(new)

        active = StateDir(Storage(root)).read_active()
        assert active is not None, f"no model after a cut before step {cut_at}"
        assert shop.is_whole(root / "bundles" / active.bundle)

        again = start(root, shop, Mains())
        again.run(new)
        assert again.machine.state in ({State.COMMITTED} if new_is_good else {State.ROLLED_BACK}), (
            f"{again.machine.state} after a cut before step {cut_at}"
        )
        settled = StateDir(Storage(root)).read_active()
        assert settled is not None
        assert settled.bundle == (new.id if new_is_good else old.id)
        assert not settled.provisional
        shutil.rmtree(root)
