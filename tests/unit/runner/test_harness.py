from __future__ import annotations

import json
import sys
import types
from pathlib import Path

import pytest

from tests.benchmarks import harness
from tests.benchmarks.harness import Op, Report, Row, Target, format_report, main


@pytest.mark.parametrize(
    ("value", "op", "target", "met"),
    [
        (1.0, "<=", 1.0, True),
        (1.0, "<", 1.0, False),
        (2.0, ">=", 1.0, True),
        (1.0, ">", 1.0, False),
        (1.0, "==", 1.0, True),
        (float("nan"), "<=", 1.0, False),
    ],
)
def test_target_is_met_when_the_comparison_holds(value: float, op: Op, target: float, met: bool) -> None:
    assert Target(name="memory_mb", value=value, op=op, target=target).met is met


def test_table_has_a_column_for_every_figure() -> None:
    rows = [Row(name="idle", values={"pss_mb": 19.5}), Row(name="working", values={"pss_mb": 75.25, "cpu": "4 %"})]

    text = format_report(Report(rows=rows, targets=[Target(name="idle", value=19.5, op="<=", target=20)]))

    assert text.splitlines() == [
        "         pss_mb  cpu",
        "idle       19.5    -",
        "working   75.25  4 %",
        "met    idle: 19.5 (asked: <= 20)",
    ]


@pytest.fixture
def benchmark_answer(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    module = types.ModuleType("tests.benchmarks.answer")
    monkeypatch.setitem(sys.modules, "tests.benchmarks.answer", module)
    monkeypatch.setattr(harness, "names", lambda: ["answer"])
    return module


@pytest.mark.parametrize(("value", "code"), [(42.0, 0), (41.0, 1)])
def test_a_missed_target_is_exit_code_one(
    benchmark_answer: types.ModuleType, tmp_path: Path, value: float, code: int
) -> None:
    target = Target(name="answer", value=value, op=">=", target=42)
    benchmark_answer.run = lambda: Report(rows=[Row(name="all", values={"n": 1})], targets=[target])  # type: ignore[attr-defined]

    assert main(["answer", "--json", str(tmp_path / "figures.json")]) == code

    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["name"] == "answer"
    assert figures["machine"]["cores"] >= 1
    assert figures["rows"] == [{"name": "all", "n": 1}]
    assert figures["targets"] == [{"name": "answer", "value": value, "target": 42, "op": ">=", "met": code == 0}]


@pytest.mark.parametrize("argv", [[], ["nothing"]])
def test_an_unknown_name_lists_those_that_there_are(
    benchmark_answer: types.ModuleType, argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2

    assert "benchmarks: answer" in capsys.readouterr().out
