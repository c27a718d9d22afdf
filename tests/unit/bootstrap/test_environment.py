from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from deploy import bootstrap
from deploy.bootstrap import BUILDING, STAMP, BootstrapError, Environment, is_complete, missing_modules, prepare
from deploy.bootstrap_progress import CommandFailedError

FOREIGN = "user-file.txt"


class FakeInstall:
    """Installs nothing and remembers what was asked."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self.calls: list[list[str]] = []

    def __call__(self, environment: Environment, extras: Iterable[str], lock: int) -> None:
        assert (environment.venv / BUILDING).exists()
        self.calls.append(list(extras))
        if self.error is not None:
            raise self.error


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / "constraints.txt").write_text("one==1\n")
    return Environment(tmp_path / ".venv", tmp_path / "constraints.txt", frozenset({"x"}))


@pytest.fixture(autouse=True)
def venv_is_a_link(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for `python -m venv`, which takes most of the time of such a test."""

    def make(command: Iterable[str], what: str, *, cwd: Path, keep_open: Iterable[int] = ()) -> None:
        python = Path(list(command)[-1]) / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.symlink_to(sys.executable)

    monkeypatch.setattr(bootstrap, "run", make)


def test_first_run_installs_and_the_second_does_nothing(environment: Environment) -> None:
    install = FakeInstall()

    assert prepare(environment, install) is True
    assert prepare(environment, install) is False

    assert install.calls == [["x"]]
    assert is_complete(environment)


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_a_changed_file_installs_again(environment: Environment, name: str) -> None:
    install = FakeInstall()
    prepare(environment, install)

    (environment.root / name).write_text("# changed\n")

    assert prepare(environment, install) is True
    assert len(install.calls) == 2


def test_further_extras_are_added_to_those_that_are_there(environment: Environment) -> None:
    install = FakeInstall()
    prepare(environment, install)

    more = Environment(environment.venv, environment.constraints, frozenset({"y"}))
    prepare(more, install)

    assert install.calls == [["x"], ["x", "y"]]
    assert is_complete(environment)
    assert is_complete(more)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), CommandFailedError("no network")])
def test_an_environment_left_half_made_is_made_anew(environment: Environment, error: BaseException) -> None:
    with pytest.raises((KeyboardInterrupt, BootstrapError)):
        prepare(environment, FakeInstall(error))
    leftover = environment.venv / "half-written"
    leftover.touch()
    assert not is_complete(environment)

    prepare(environment, FakeInstall())

    assert is_complete(environment)
    assert not leftover.exists()


def test_an_update_left_half_made_is_made_anew_with_all_extras(environment: Environment) -> None:
    prepare(environment, FakeInstall())
    more = Environment(environment.venv, environment.constraints, frozenset({"y"}))
    with pytest.raises(KeyboardInterrupt):
        prepare(more, FakeInstall(KeyboardInterrupt()))
    install = FakeInstall()

    prepare(more, install)

    assert install.calls == [["x", "y"]]


def test_a_folder_of_the_users_own_is_never_removed(environment: Environment) -> None:
    environment.venv.mkdir()
    (environment.venv / FOREIGN).touch()

    with pytest.raises(KeyboardInterrupt):
        prepare(environment, FakeInstall(KeyboardInterrupt()))
    prepare(environment, FakeInstall())

    assert is_complete(environment)
    assert (environment.venv / FOREIGN).exists()


def test_a_moved_environment_is_made_anew(environment: Environment, tmp_path: Path) -> None:
    prepare(environment, FakeInstall())
    moved = Environment(tmp_path / ".moved", environment.constraints, environment.extras)
    environment.venv.rename(moved.venv)
    (moved.venv / "stale").touch()

    assert prepare(moved, FakeInstall()) is True

    assert not (moved.venv / "stale").exists()


def test_an_environment_whose_python_is_gone_is_made_anew(environment: Environment) -> None:
    prepare(environment, FakeInstall())
    environment.python.unlink()
    environment.python.symlink_to(environment.root / "no-such-python")

    prepare(environment, FakeInstall())

    assert is_complete(environment)


def test_packages_that_something_else_took_out_are_missed(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(environment, FakeInstall())

    monkeypatch.setitem(bootstrap.MODULES, "x", ("driftline_module_that_is_not_there",))

    assert not is_complete(environment)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"digest": 1}'])
def test_a_damaged_stamp_counts_as_none(environment: Environment, text: str) -> None:
    prepare(environment, FakeInstall())

    (environment.venv / STAMP).write_text(text)

    assert not is_complete(environment)
    assert prepare(environment, FakeInstall()) is True


def test_an_old_python_is_told(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))

    with pytest.raises(BootstrapError, match=r"Python 3\.11 or newer is needed, and .* is 3\.9\.2"):
        prepare(environment, FakeInstall())


def test_outside_of_a_checkout_the_message_names_the_extra(environment: Environment) -> None:
    (environment.root / "pyproject.toml").unlink()

    with pytest.raises(BootstrapError, match=r"pip install 'driftline\[x\]'"):
        prepare(environment, FakeInstall())


def test_a_folder_that_cannot_be_written_is_one_message(environment: Environment) -> None:
    environment.venv.with_name(".venv.lock").mkdir()

    with pytest.raises(BootstrapError, match=r"setting up \.venv failed"):
        prepare(environment, FakeInstall())


def test_modules_are_looked_for_without_importing_them() -> None:
    code = (
        "import sys; from deploy import bootstrap as b; any(b.missing_modules(['demo'])); print('numpy' in sys.modules)"
    )

    run = subprocess.run([sys.executable, "-c", code], cwd=bootstrap.ROOT, capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "False"


def test_missing_modules_are_named(tmp_path: Path) -> None:
    (tmp_path / "numpy.py").touch()

    assert "numpy" not in set(missing_modules(["agent"], [str(tmp_path)]))
    assert {"yaml", "tuf"} <= set(missing_modules(["agent"], [str(tmp_path)]))
