"""Write the module map of ARCHITECTURE.md anew: `python -m tests.architecture.module_map`."""

from __future__ import annotations

import ast

from tests.architecture.tree import PACKAGES, ROOT, Module, modules

HEADING = "## Module map"
INTRODUCTION = """
Every module and what it decides; `__init__.py` files and migrations are left out. The table is written by
`python -m tests.architecture.module_map`, and a test holds it against the tree.
"""


def is_mapped(module: Module) -> bool:
    """Tell whether the module has a row: packages and migrations have none."""
    return not module.path.endswith("/__init__.py") and not module.is_migration


def row(module: Module) -> str:
    """Return the module's row: its path and the first line of its docstring."""
    return f"| `{module.path}` | {(ast.get_docstring(module.tree) or '?').splitlines()[0].rstrip('.')} |"


def module_map() -> str:
    """Return the whole section."""
    parts = [HEADING, INTRODUCTION]
    for package in PACKAGES:
        parts += [f"### {package}\n", "| module | what it is |\n|---|---|"]
        parts.append("\n".join(row(module) for module in modules(package) if is_mapped(module)) + "\n")
    return "\n".join(parts)


def main() -> None:
    """Replace the section, which is the last one."""
    path = ROOT / "ARCHITECTURE.md"
    before = path.read_text(encoding="utf-8").partition(HEADING)[0]
    path.write_text(before + module_map(), encoding="utf-8")


if __name__ == "__main__":
    main()
