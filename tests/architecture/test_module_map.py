"""ARCHITECTURE.md names every module, and nothing that is not there."""

from __future__ import annotations

import ast
import re

from tests.architecture.tree import ROOT, modules

HEADING = "## Module map"


def module_map() -> set[str]:
    """Return the paths in the first column of the section's tables, such as `agent/storage.py`."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert HEADING in text, f"ARCHITECTURE.md has no section {HEADING!r}"
    section = text.partition(HEADING)[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE))


def test_every_module_is_in_the_map() -> None:
    named = module_map()
    absent = [
        module
        for module in modules()
        if module.path not in named and not module.path.endswith("/__init__.py") and not module.is_migration
    ]

    lines = [
        f"| `{module.path}` | {(ast.get_docstring(module.tree) or '?').splitlines()[0].rstrip('.')} |"
        for module in absent
    ]
    assert not absent, "add to the module map in ARCHITECTURE.md:\n" + "\n".join(lines)


def test_every_path_in_the_map_exists() -> None:
    gone = sorted(path for path in module_map() if not (ROOT / path).exists())

    assert not gone, f"remove from the module map in ARCHITECTURE.md: {', '.join(gone)}"
