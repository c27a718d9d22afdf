from __future__ import annotations

from pathlib import Path

import pytest

from deploy.bootstrap import ROOT
from tests.runner.cli import main, print_summary
from tests.runner.execute import Outcome, count, execute
from tests.runner.steps import DEFAULT, Step, doctested, expand, step


def test_no_argument_means_the_default() -> None:
    assert list(expand([])) == list(DEFAULT)


def test_all_adds_the_suites_that_there_are(tmp_path: Path) -> None:
    (tmp_path / "tests" / "kill").mkdir(parents=True)

    assert list(expand(["all"], tmp_path)) == [*DEFAULT, "lean", "kill"]


def test_only_modules_with_examples_are_collected_for_doctests(tmp_path: Path) -> None:
    (tmp_path / "agent").mkdir()
    (tmp_path / "agent" / "with_example.py").write_text('""">>> 1 + 1\n2\n"""\n')
    (tmp_path / "agent" / "without.py").write_text("import tensorflow\n")

    assert doctested(tmp_path) == ["agent/with_example.py"]


@pytest.mark.parametrize("suite", ["peers", "emulated", "qat"])
def test_programs_that_lie_beside_a_suite_s_tests_are_not_imported_as_examples(suite: str) -> None:
    assert step(suite).commands == (("-m", "pytest", f"tests/{suite}"),)


def test_runtime_has_an_environment_of_its_own() -> None:
    environment = step("runtime").environment

    assert environment is not None
    assert environment.venv.name == ".venv-tflite-runtime"


def test_lean_runs_the_camera_s_worker_where_opencv_is() -> None:
    found = step("lean")

    assert found.environment is not None
    assert "opencv" in found.environment.extras
    (command,) = found.commands
    (camera,) = [argument for argument in command if "camera" in argument]
    assert (ROOT / camera).is_file()
    assert not [argument for argument in step("runtime").commands[0] if "camera" in argument]


@pytest.mark.parametrize(
    ("name", "beside"), [("qat", [".venv-qat"]), ("peers", [".venv-peers", ".venv-peers-spikingjelly"])]
)
def test_a_suite_runs_here_beside_environments_of_its_own(name: str, beside: list[str]) -> None:
    found = step(name)

    assert found.environment is None
    assert [environment.venv.name for environment in found.beside] == beside


def test_junit_errors_count_as_failures(tmp_path: Path) -> None:
    report = tmp_path / "junit.xml"
    report.write_text('<testsuites><testsuite tests="10" failures="1" errors="2" skipped="3"/></testsuites>')

    assert count(report) == (4, 3, 3)


@pytest.mark.parametrize("text", ["", "<testsuites>"])
def test_an_unreadable_report_holds_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "junit.xml").write_text(text)

    assert count(tmp_path / "junit.xml") == (0, 0, 0)


def test_a_pytest_that_collects_nothing_is_a_failure(tmp_path: Path) -> None:
    empty = Step(name="unit", commands=(("-m", "pytest", "-q", str(tmp_path)),), is_pytest=True)

    outcome = execute(empty)

    assert (outcome.failed, outcome.note) == (1, "no tests collected")


def test_a_check_of_two_commands_counts_as_one() -> None:
    both = Step(name="lint", commands=(("-c", "pass"), ("-c", "raise SystemExit(1)")))

    outcome = execute(both)

    assert (outcome.passed, outcome.failed) == (0, 1)


def test_the_last_line_is_the_sum(capsys: pytest.CaptureFixture[str]) -> None:
    print_summary([Outcome(name="unit", passed=3, skipped=1), Outcome(name="lint", failed=1)])

    assert capsys.readouterr().out.splitlines()[-1] == "3 passed, 1 failed, 1 skipped"


def test_without_outcomes_the_sum_is_zero(capsys: pytest.CaptureFixture[str]) -> None:
    print_summary([])

    assert capsys.readouterr().out.splitlines()[-1] == "0 passed, 0 failed, 0 skipped"


def test_an_unknown_step_names_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["unti"])

    assert caught.value.code == 2
    assert "unknown step 'unti'; there are: all, architecture," in capsys.readouterr().err
