"""What a working worker has loaded, and River as it is installed here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edge_models.bundle import Bundle
from tests.integration.agent_worker.harness import ROOT

pytestmark = pytest.mark.integration


def run(program: str, *arguments: str) -> Any:
    """What a fresh process prints as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True
    )
    return json.loads(done.stdout)


@pytest.mark.runtime
def test_a_whole_replay_loads_nothing_heavy(bundle: Bundle, drifting: Path) -> None:
    program = """
import json, sys, time
from pathlib import Path
from agent.worker.offline import replay
report = replay(Path(sys.argv[1]), Path(sys.argv[2]), clock_ns=time.perf_counter_ns)
print(json.dumps([len(report.alarms), sorted(sys.modules)]))
"""
    alarms, modules = run(program, str(bundle.directory), str(drifting))

    assert alarms > 0
    heavy = ("scipy", "pandas", "tensorflow", "keras", "sklearn", "PIL", "river.datasets", "asyncio", "paho", "tuf")
    assert [module for module in modules if module.startswith(heavy)] == []


@pytest.mark.runtime
def test_the_lazy_packages_answer_to_every_public_name_of_river() -> None:
    program = """
import importlib, json, sys
from agent.worker.drift import loader
lazy = sys.argv[1] == "lazy"
found = {}
for name in ("river.drift", "river.drift.binary", "river.stats"):
    package = loader._package(name) if lazy else importlib.import_module(name)
    public = [key for key in importlib.import_module(name).__all__ if key != "PeriodicTrigger"]
    found[name] = {key: getattr(getattr(package, key), "__module__", "module") for key in public if key[:1].isupper()}
print(json.dumps(found))
"""
    lazy, public = run(program, "lazy"), run(program, "public")

    for name, classes in public.items():
        missing = {key for key, module in classes.items() if lazy[name].get(key) != module}
        assert missing == set(), name
    assert "ADWIN" in lazy["river.drift"]


@pytest.mark.runtime
def test_detectors_load_without_the_statistics_of_scipy() -> None:
    program = """
import json, sys
from agent.worker.drift import loader
for name in loader.detector_names():
    if name != "kswin":
        loader.detector(name)
for name in ("Mean", "Var", "EWMean", "EWVar"):
    loader.statistic(name, **({"fading_factor": 0.1} if name.startswith("EW") else {}))
print(json.dumps(sorted(module for module in sys.modules if module.split(".")[0] in ("scipy", "pandas"))))
"""
    assert run(program) == []


@pytest.mark.runtime
def test_where_river_is_laid_out_otherwise_its_ordinary_import_is_used() -> None:
    program = """
import json, sys
from agent.worker.drift import loader
from agent.worker.errors import PackageLayoutError
def refuse(init):
    raise PackageLayoutError("laid out otherwise")
loader._origins = refuse
adwin = loader.detector("adwin")
mean = loader.statistic("Mean")
print(json.dumps([type(adwin).__name__, type(sys.modules["river.drift"]).__name__]))
"""
    assert run(program) == ["ADWIN", "module"]


@pytest.mark.runtime
def test_other_code_may_import_river_in_the_ordinary_way_afterwards() -> None:
    program = """
import json
from agent.worker.drift import loader
loader.detector("adwin"); loader.statistic("Mean")
from river import drift, stats
from river.drift import binary
print(json.dumps([drift.PageHinkley.__name__, stats.Mean.__name__, binary.DDM.__name__]))
"""
    assert run(program) == ["PageHinkley", "Mean", "DDM"]


@pytest.mark.runtime
def test_where_river_cannot_be_imported_a_replay_finds_the_same_drift(bundle: Bundle, drifting: Path) -> None:
    program = """
import json, sys, time
from pathlib import Path
class NoRiver:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "river":
            raise ImportError("there is no wheel for this machine")
if sys.argv[3] == "without":
    sys.meta_path.insert(0, NoRiver())
from agent.worker.offline import replay
report = replay(Path(sys.argv[1]), Path(sys.argv[2]), clock_ns=time.perf_counter_ns)
alarms = [[alarm.position, alarm.signal, alarm.detector] for alarm in report.alarms]
print(json.dumps([alarms, any(name.startswith("river") for name in sys.modules)]))
"""
    alarms, has_river = run(program, str(bundle.directory), str(drifting), "without")

    assert not has_river
    assert alarms
    assert alarms == run(program, str(bundle.directory), str(drifting), "with")[0]
