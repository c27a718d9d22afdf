"""ARCHITECTURE.md names every module, and nothing that is not there."""

from __future__ import annotations

import re

from tests.architecture.module_map import HEADING, is_mapped, row
from tests.architecture.tree import ROOT, modules

MEND = "run `python -m tests.architecture.module_map`"


def section() -> str:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert HEADING in text, f"ARCHITECTURE.md has no section {HEADING!r}"
    return text.partition(HEADING)[2].partition("\n## ")[0]


def test_every_module_is_in_the_map_as_it_describes_itself() -> None:
    rows = set(section().splitlines())
    absent = [row(module) for module in modules() if is_mapped(module) and row(module) not in rows]

    assert not absent, f"{MEND}; it lacks:\n" + "\n".join(absent)


def test_every_path_in_the_map_exists() -> None:
    named = re.findall(r"^\| `([^`]+)` \|", section(), re.MULTILINE)
    gone = sorted(path for path in named if not (ROOT / path).exists())

    assert not gone, f"{MEND}; these are gone: {', '.join(gone)}"


def test_every_path_in_the_text_before_the_map_exists() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").partition(HEADING)[0]
    named = set(re.findall(r"`((?:agent|converter|deploy|edge_models|tests)/[A-Za-z0-9_./-]+)`", text))
    gone = sorted(path for path in named if not (ROOT / path).exists())

    assert named
    assert not gone, f"ARCHITECTURE.md speaks of what is not there: {', '.join(gone)}"
