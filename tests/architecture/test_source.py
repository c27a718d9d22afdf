"""Rules for every file that the linter has no rule for."""

from __future__ import annotations

import ast
import re

import pytest

from tests.architecture.tree import ROOT, Module, modules

MAX_LINES = 400


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.path)
def test_file_holds_one_idea(module: Module) -> None:
    lines = len(module.text.splitlines())

    assert lines <= MAX_LINES, "divide it by what it decides"


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.path)
def test_product_code_validates_with_errors(module: Module) -> None:
    lines = [node.lineno for node in ast.walk(module.tree) if isinstance(node, ast.Assert)]

    assert not lines, "raise an error of the package's errors.py: python -O drops asserts"


@pytest.mark.parametrize("name", sorted(path.name for path in ROOT.glob("constraints*.txt")))
def test_constraints_hold_versions_only(name: str) -> None:
    lines = [line for line in (ROOT / name).read_text(encoding="utf-8").splitlines() if not line.startswith("#")]

    odd = [line for line in lines if not re.fullmatch(r"[a-z0-9._-]+==[0-9][\w.]*( ; .+)?", line)]

    assert lines
    assert not odd, "constraints are exported without index addresses, hashes and local paths"
