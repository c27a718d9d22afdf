"""The diagram of the update states in ARCHITECTURE.md is the one that the table gives."""

from __future__ import annotations

from agent.core.update_table import DIAGRAM_BEGIN, DIAGRAM_END, diagram_section
from tests.architecture.tree import ROOT


def test_diagram_is_generated_from_the_table() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert DIAGRAM_BEGIN in text, f"ARCHITECTURE.md has no {DIAGRAM_BEGIN}"

    found = DIAGRAM_BEGIN + text.partition(DIAGRAM_BEGIN)[2].partition(DIAGRAM_END)[0] + DIAGRAM_END

    assert found == diagram_section(), f"put this into ARCHITECTURE.md:\n{diagram_section()}"
