import dataclasses
import os
from pathlib import Path

import pytest

from agent.config import AgentConfig, LocalConfig
from agent.preflight import local_problems, missing_runtime, preflight


def config(state_dir: Path) -> AgentConfig:
    return AgentConfig(id="pi-1", model="digits", state_dir=str(state_dir))


def about_state_dir(state_dir: Path) -> list[str]:
    return [problem for problem in preflight(config(state_dir)) if problem.startswith("state_dir")]


def test_a_directory_that_can_be_made_is_no_problem(tmp_path: Path) -> None:
    assert about_state_dir(tmp_path / "var" / "state") == []


def test_a_file_in_its_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")

    assert about_state_dir(tmp_path / "state" / "deeper") == [
        f"state_dir: {tmp_path / 'state'} is no directory, expected one that the agent may write to"
    ]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_of_others_is_a_problem(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)

    assert len(about_state_dir(tmp_path / "state")) == 1
    tmp_path.chmod(0o700)


def test_a_device_without_a_tflite_runtime_is_told_what_it_can_run(tmp_path: Path) -> None:
    wanted = config(tmp_path)

    assert "no runtime is installed" in (missing_runtime(wanted, {}) or "")
    assert "only spiking artifacts run here" in (missing_runtime(wanted, {"numpy": "2.4.6"}) or "")
    assert missing_runtime(dataclasses.replace(wanted, artifact="spiking"), {"numpy": "2.4.6"}) is None
    assert missing_runtime(wanted, {"ai-edge-litert": "2.3.0", "numpy": "2.4.6"}) is None


@pytest.mark.parametrize(
    ("local", "found"),
    [
        (LocalConfig(), []),
        (LocalConfig(path="gone/agent.sock"), ["is no directory"]),
        (LocalConfig(path="file"), ["is no socket"]),
        (LocalConfig(group="no-such-group"), ["there is no group no-such-group"]),
        (LocalConfig(enabled=False, group="no-such-group", path="gone/agent.sock"), []),
    ],
)
def test_a_local_socket_that_nobody_could_use_is_a_problem(
    tmp_path: Path, local: LocalConfig, found: list[str]
) -> None:
    (tmp_path / "file").write_text("")
    path = None if local.path is None else str(tmp_path / local.path)
    wanted = dataclasses.replace(config(tmp_path / "state"), local=dataclasses.replace(local, path=path))

    problems = list(local_problems(wanted))

    assert len(problems) == len(found)
    assert all(words in problem for words, problem in zip(found, problems, strict=True))
