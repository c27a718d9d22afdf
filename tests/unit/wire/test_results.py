"""Every code of an error that the device uses has one sentence that says what to do."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.core.update_results import PASSING_CODES
from edge_models.wire.results import REMEDIES, remedy
from edge_models.wire.update import UpdateError
from edge_models.wire.values import CODE

ROOT = Path(__file__).parents[3]
FIRST_ARGUMENT = {"UpdateError", "of", "_error", "_fault", "_fail_or_retry"}  # calls whose first argument is a code
NAMED = {"FetchFailed", "TargetBad", "CheckFailed", "Refusal", "Judgement", "UpdateError"}  # calls with a ``code=``
CONSTANTS = {"CODE", "DAMAGED_CODE", "CONTENT_CODE", "UNFIT_CODES", "PASSING_CODES"}
FAULTS = ("trial.py", "soak_checks.py", "judgement.py")  # where a fault is a pair of code and message
NO_ERRORS = {"ok", "superseded", "withdrawn"}


def words(node: ast.AST | None) -> Iterator[str]:
    """The string constants in an expression; of a name made from parts, none."""
    if node is None or isinstance(node, ast.JoinedStr):
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, (ast.IfExp, ast.Set, ast.Call, ast.List, ast.Tuple)):
        for child in ast.iter_child_nodes(node):
            yield from words(child)


def codes_in(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=args, keywords=keywords):
                if name in FIRST_ARGUMENT and args:
                    yield from words(args[0])
                if name in NAMED:
                    for keyword in keywords:
                        yield from words(keyword.value if keyword.arg == "code" else None)
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in CONSTANTS:
                yield from words(value)
            case ast.Return(value=ast.Tuple(elts=[first, _])) if path.name in FAULTS:
                yield from words(first)
            case _:
                pass


def used() -> dict[str, str]:
    found = {
        code: str(path.relative_to(ROOT))
        for path in sorted((ROOT / "agent").rglob("*.py"))
        for code in codes_in(path)
        if re.fullmatch(CODE, code) and code not in NO_ERRORS
    }
    return found | {"verifying_timeout": "agent/core/update_machine.py", "self_test_timeout": "the same"}


@pytest.mark.parametrize(("code", "where"), sorted(used().items()))
def test_code_that_the_device_uses_has_a_remedy(code: str, where: str) -> None:
    assert remedy(code), f"{where} uses {code}: add one sentence to edge_models/wire/results.py"


def test_no_remedy_is_for_a_code_that_nothing_uses() -> None:
    assert set(REMEDIES) - set(used()) == set()


def test_codes_of_every_layer_are_found() -> None:
    assert {"network", "golden", "disagrees", "crash_loop", "not_listed", "bad_args", "storage", "lost"} <= set(used())
    assert set(used()) >= PASSING_CODES


@pytest.mark.parametrize(("code", "sentence"), sorted(REMEDIES.items()))
def test_remedy_is_one_sentence(code: str, sentence: str) -> None:
    assert re.fullmatch(CODE, code)
    assert sentence[0].isupper()
    assert sentence.endswith(".")
    assert ". " not in sentence
    assert len(sentence) <= 150


def test_error_carries_its_remedy_and_no_more_text_than_may_be_sent() -> None:
    error = UpdateError.of("no_space", "x" * 1000)

    assert len(error.message) == 500
    assert error.remedy == remedy("no_space")
