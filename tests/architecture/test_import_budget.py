"""What importing a program may load: memory on a small Pi is spent at import."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable

import pytest

from tests.architecture.tree import PACKAGES, ROOT, modules

TRAINING = ("tensorflow", "keras", "pandas", "sklearn", "matplotlib", "mlxtend")
RUNTIMES = ("ai_edge_litert", "tflite_runtime")

# The imports run one after the other in one process, so the first offender is named and the rest cost little.
PROBE = """
import importlib, json, sys
names, forbidden = json.loads(sys.argv[1])
for name in names:
    importlib.import_module(name)
    loaded = [top for top in forbidden if top in sys.modules]
    if loaded:
        print(json.dumps([name, loaded]))
        break
"""


def first_offender(names: Iterable[str], forbidden: Iterable[str]) -> object:
    """Import modules in a fresh process and return the first that loads something forbidden, with what it loads."""
    argument = json.dumps([list(names), list(forbidden)])
    run = subprocess.run([sys.executable, "-c", PROBE, argument], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout) if run.stdout else None


def test_supervisor_loads_neither_numpy_nor_a_runtime() -> None:
    names = [module.name for module in modules("agent") if not module.is_in("agent.worker")]

    assert first_offender(names, ("numpy", "scipy", "river", *TRAINING, *RUNTIMES)) is None


def test_worker_loads_neither_the_training_stack_nor_scipy_stats() -> None:
    names = [module.name for module in modules("agent") if module.is_in("agent.worker")]

    assert first_offender(names, ("scipy.stats", *TRAINING)) is None


def test_edge_models_loads_no_runtime_until_an_engine_is_built() -> None:
    names = [module.name for module in modules("edge_models")]

    assert first_offender(names, ("scipy", "river", "yaml", "paho", "rich", *TRAINING, *RUNTIMES)) is None


def test_messages_load_no_numpy() -> None:
    names = [module.name for module in modules("edge_models") if module.is_in("edge_models.wire")]

    assert first_offender(names, ("numpy",)) is None


@pytest.mark.parametrize("program", ["agent", "converter", "deploy"])
def test_help_loads_no_tensorflow(program: str) -> None:
    assert first_offender([f"{program}.__main__"], ("tensorflow", "keras")) is None


@pytest.mark.parametrize("entry", ["deploy.__main__", "tests.__main__"])
def test_entry_starts_with_the_standard_library_alone(entry: str) -> None:
    # -S leaves out site-packages; -I leaves out everything that the user set up.
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import {entry}; print(*sorted(sys.modules))"

    run = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stderr
    tops = {name.partition(".")[0] for name in run.stdout.split()}
    assert tops <= {*sys.stdlib_module_names, "__main__", "deploy", "tests"}


def test_all_packages_are_looked_at() -> None:
    assert {module.path.partition("/")[0] for module in modules()} == set(PACKAGES)
