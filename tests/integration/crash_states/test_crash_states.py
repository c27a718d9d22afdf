"""After a power cut at any moment, with any part of what was on its way to the disk: one model runs, the update ends.

And every sync of the store is needed for that: without it, some state breaks.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent import storage
from edge_models.bundle import Bundle
from edge_models.manifest import Manifest
from tests.integration.crash_states.exploration import BrokenError, Exploration
from tests.integration.crash_states.scenarios import SCENARIOS, Run, Scenario, bundles_of
from tests.unit.update_client.memory import memory_directory

pytestmark = pytest.mark.integration


@dataclass
class Laboratory:
    """Runs and what was found about them, each made once."""

    directory: Path
    bundles: tuple[Bundle, ...]
    runs: dict[str, tuple[Run, Exploration]] = field(default_factory=dict)

    def run(self, scenario: Scenario) -> tuple[Run, Exploration]:
        name = scenario.__name__
        if name not in self.runs:
            run = scenario(self.directory / name, self.bundles)
            self.runs[name] = (run, Exploration(scratch=self.directory))
        return self.runs[name]


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    with memory_directory(tmp_path_factory.mktemp("crash")) as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda _: None)
        patch.setattr(Manifest, "from_bytes", functools.cache(Manifest.from_bytes))  # half of all work, and pure
        yield Laboratory(directory, bundles_of(directory))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_every_crash_state_recovers(laboratory: Laboratory, scenario: Scenario) -> None:
    run, found = laboratory.run(scenario)

    found.explore(run)

    print(f"{scenario.__name__}: {found.points} moments, {found.states} crash states, {found.distinct} distinct")
    assert found.points > 5


def test_every_single_sync_is_needed(laboratory: Laboratory) -> None:
    runs = [laboratory.run(scenario) for scenario in SCENARIOS]
    sites = sorted(frozenset[str]().union(*(run.sites() for run, _ in runs)))
    needless = [site for site in sites if not any(breaks(run, found, site) for run, found in runs)]

    print(f"{len(sites)} places ask for a sync, each is needed")
    assert needless == []


def breaks(run: Run, found: Exploration, site: str) -> bool:
    """Whether a crash state does not recover once the syncs of this site are left out; a glance tells mostly."""
    if site not in run.sites():
        return False
    try:
        found.explore(run, without=site, care="glance")
        found.explore(run, without=site)
    except BrokenError:
        return True
    return False


def test_every_function_of_the_store_that_syncs_is_among_them(laboratory: Laboratory) -> None:
    seen = {name for scenario in SCENARIOS for site in laboratory.run(scenario)[0].sites() for name in site.split()}
    tree = ast.parse(Path(storage.__file__).read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    syncing = {node.name for node in functions if any(_is_sync(inner) for inner in ast.walk(node))}

    elsewhere = {"_sync", "_make", "sync", "__exit__", "sync_tree"}  # plumbing, and what test_metadata.py shows
    assert {f"Storage.{name}" for name in syncing - elsewhere} <= seen


def _is_sync(node: ast.AST) -> bool:
    names = ("sync_dir", "sync_file", "_sync", "sync", "fsync")
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in names
