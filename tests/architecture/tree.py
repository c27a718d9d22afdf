"""The modules of the product, as files, names and syntax trees. Nothing is imported here."""

from __future__ import annotations

import ast
import functools
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("edge_models", "converter", "agent", "deploy")


@dataclass(frozen=True, slots=True)
class Module:
    """One file of the product."""

    path: str
    """Relative to the project, with slashes."""

    @property
    def name(self) -> str:
        """The dotted name."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def text(self) -> str:
        """The source."""
        return (ROOT / self.path).read_text(encoding="utf-8")

    @property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text, self.path)

    @property
    def is_migration(self) -> bool:
        """Whether Alembic runs it and nobody imports it."""
        return "/migrations/" in self.path

    def is_in(self, package: str) -> bool:
        """Tell whether it is that package or lies inside."""
        return self.name == package or self.name.startswith(f"{package}.")


@functools.cache
def modules(*packages: str) -> tuple[Module, ...]:
    """Return the modules of some packages, by default of all four, in the order of their paths."""
    found = (path for package in packages or PACKAGES for path in (ROOT / package).rglob("*.py"))
    return tuple(Module(path) for path in sorted(path.relative_to(ROOT).as_posix() for path in found))


def imported(module: Module) -> set[str]:
    """Return the dotted names that a module imports, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            # `from agent import storage` names a module, `from agent.storage import Storage` does not.
            names.update(f"{node.module}.{alias.name}" for alias in node.names if node.module in PACKAGES)
            if node.module not in PACKAGES:
                names.add(node.module)
    return names
