"""Who may import whom."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict

import pytest

from tests.architecture.tree import PACKAGES, ROOT, Module, imported, modules

# One file per program knows each of these libraries; exceptions name the files and are few.
ONE_ADAPTER = (
    *("PIL", "ai_edge_litert", "iotcore", "matplotlib", "mlxtend", "paho"),
    *("psutil", "river", "sklearn", "stamina", "tenacity", "tflite_runtime"),
)
MAY_ALSO_IMPORT: dict[tuple[str, str], set[str]] = {}
# The agent's vocabulary, without effects: what core may know beside itself and the contract.
VOCABULARY = ("agent.config", "agent.errors", "agent.ipc", "agent.ports")
EFFECTS = {
    *("asyncio", "http", "multiprocessing", "numpy", "os", "paho", "river", "select", "selectors", "shutil", "signal"),
    *("socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "time", "tuf", "urllib"),
}


def test_import_linter_contracts_hold() -> None:
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"

    run = subprocess.run(
        [sys.executable, "-c", code, "--no-cache", "--no-logo"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("package", PACKAGES)
def test_each_library_is_known_to_one_file_of_a_program(package: str) -> None:
    users: dict[str, set[str]] = defaultdict(set)
    for module in modules(package):
        for name in imported(module):
            users[name.partition(".")[0]].add(module.path)

    crowded = {
        library: sorted(users[library])
        for library in ONE_ADAPTER
        if len(users[library] - MAY_ALSO_IMPORT.get((package, library), set())) > 1
    }

    assert not crowded, "wrap the library in one adapter file, or say here why another file may import it"


@pytest.mark.parametrize("module", modules("agent/core"), ids=lambda module: module.path)
def test_core_imports_nothing_of_the_shell(module: Module) -> None:
    ours = {name for name in imported(module) if name.partition(".")[0] in PACKAGES}

    shell = {name for name in ours if not name.startswith(("agent.core", "edge_models", *VOCABULARY))}

    assert not shell


@pytest.mark.parametrize("name", VOCABULARY)
def test_vocabulary_has_no_effects(name: str) -> None:
    (module,) = (module for module in modules("agent") if module.name == name)

    assert not {found.partition(".")[0] for found in imported(module)} & EFFECTS


@pytest.mark.parametrize("module", modules("agent/core"), ids=lambda module: module.path)
def test_core_is_handed_its_randomness(module: Module) -> None:
    used = {
        node.attr
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "random"
    }

    assert used <= {"Random"}, "take a random.Random as an argument"
