"""In the agent, everything that has to survive a power cut goes through `agent/storage.py`.

That file records what it does, so that tests can enumerate the states a crash may leave. A write anywhere else would be
outside of those tests; this one looks for it in the syntax trees.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.tree import Module, modules

STORAGE = "agent/storage.py"

FUNCTIONS = {
    *(f"os.{name}" for name in ("replace", "rename", "renames", "unlink", "remove", "removedirs", "rmdir", "open")),
    *(f"os.{name}" for name in ("mkdir", "makedirs", "link", "symlink", "truncate", "ftruncate", "mkfifo", "mknod")),
    *("sqlite3.connect", "numpy.save", "numpy.savez", "numpy.savez_compressed", "numpy.memmap"),
}
MODULES = ("shutil", "tempfile", "dbm", "shelve", "pickle")
METHODS = {
    *("write_text", "write_bytes", "unlink", "rename", "rmdir", "mkdir", "touch", "symlink_to", "hardlink_to"),
}
WRITING_MODES = frozenset("wax+")

# Path -> calls that are allowed there, with the reason.
ALLOWED: dict[str, set[str]] = {
    # A socket is no file that survives anything; the stale one of an agent that died has to go.
    "agent/local/listener.py": {"path.unlink", "self._path.unlink"},
    "agent/local/address.py": {"os.open"},  # O_PATH: the directory of a socket whose path is too long for an address
    "agent/worker/limits.py": {"_OOM_SCORE.write_text"},  # a switch of the kernel's in /proc, not a file
}


def writes(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and name of every call that may write to a file system."""
    names = _imported_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = _dotted(node.func, names)
            if _is_write(node, called):
                yield node.lineno, called


def _is_write(call: ast.Call, called: str) -> bool:
    receiver, _, method = called.rpartition(".")
    if receiver.rpartition(".")[2].lstrip("_") == "storage":  # a variable or attribute of that name is a Storage
        return False
    if called in FUNCTIONS or called.startswith(tuple(f"{module}." for module in MODULES)):
        return True
    if isinstance(call.func, ast.Attribute) and method in METHODS:
        return True
    if isinstance(call.func, ast.Attribute) and method == "replace":
        # Path.replace(target); str.replace takes two arguments and dataclasses.replace is a function of a module.
        return len(call.args) == 1 and not call.keywords
    return method in {"open", "fdopen"} and _may_write(call, is_method=called not in {"open", "io.open", "os.fdopen"})


def _may_write(call: ast.Call, *, is_method: bool) -> bool:
    """Tell whether the mode of open(file, mode) or path.open(mode) writes or is not known here."""
    position = 0 if is_method else 1
    mode = next((keyword.value for keyword in call.keywords if keyword.arg == "mode"), None)
    if mode is None and len(call.args) > position:
        mode = call.args[position]
    if mode is None:
        return False
    if isinstance(mode, ast.Constant) and isinstance(mode.value, str):
        return bool(WRITING_MODES & set(mode.value))
    return not is_method  # Image.open(path) has no mode; open(path, mode) has one that nobody can read here


def _imported_names(tree: ast.Module) -> dict[str, str]:
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _dotted(node: ast.expr, names: dict[str, str]) -> str:
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value, names)}.{node.attr}"
    return "?"


@pytest.mark.parametrize("module", modules("agent"), ids=lambda module: module.path)
def test_only_storage_writes_durably(module: Module) -> None:
    if module.path == STORAGE:
        return

    found = [(line, call) for line, call in writes(module.tree) if call not in ALLOWED.get(module.path, set())]

    assert not found, f"{module.path} writes without {STORAGE}"


@pytest.mark.parametrize(
    "source",
    [
        "open('f', 'w')",
        "open('f', mode='ab')",
        "open('f', mode)",
        "path.open('r+')",
        "path.write_text('x')",
        "path.replace(other)",
        "import os\nos.replace('a', 'b')",
        "from os import replace as swap\nswap('a', 'b')",
        "import shutil as s\ns.rmtree('a')",
        "import sqlite3\nsqlite3.connect('f')",
        "import tempfile\ntempfile.mkdtemp()",
        "import numpy as np\nnp.savez('f', x=x)",
    ],
)
def test_writes_are_found(source: str) -> None:
    assert list(writes(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    [
        "open('f')",
        "open('f', 'rb')",
        "path.open()",
        "path.open('rb')",
        "self._storage.rename(a, b)",
        "text.replace('a', 'b')",
        "when.replace(tzinfo=utc)",
        "import dataclasses\ndataclasses.replace(it, a=1)",
        "sys.stdout.write('x')",
    ],
)
def test_reads_are_not_taken_for_writes(source: str) -> None:
    assert not list(writes(ast.parse(source)))
