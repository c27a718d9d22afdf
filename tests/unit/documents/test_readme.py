import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from agent.config import load_config as load_agent_config
from deploy.config import load_config as load_fleet_config

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MODULES = {"driftline-convert": "converter", "driftline-agent": "agent", "driftline-fleet": "deploy"}


def example(name: str) -> str:
    found = re.search(rf"<!-- {re.escape(name)} -->\n```yaml\n(.*?)```", README, re.DOTALL)
    assert found, f"README.md has no example of {name}"
    return found[1]


def commands() -> list[tuple[str, ...]]:
    """Program and verb (two words where the verb has actions) of every command line that the README shows."""
    lines = re.findall(r"^    (driftline-\w+ .*?)(?:  +#.*)?$", README, re.MULTILINE)
    found = set()
    for line in lines:
        program, *words = shlex.split(line)
        nested = words[0] in ("registry", "samples", "rollout")
        found.add((program, *words[: 2 if nested else 1]))
    return sorted(found)


def test_agent_example_is_a_valid_configuration(tmp_path: Path) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text(example("agent.yaml"))

    assert load_agent_config(path).id == "pi7-cam"


def test_fleet_example_is_a_valid_configuration(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text(example("fleet.yaml"))

    assert load_fleet_config(path).model == "digits"


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_command_that_the_readme_shows_exists(command: tuple[str, ...]) -> None:
    program, *verb = command

    shown = subprocess.run(
        [sys.executable, "-m", MODULES[program], *verb, "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert shown.returncode == 0, shown.stderr
    assert verb[-1] in shown.stdout


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_every_file_that_the_readme_links_to_exists(link: str) -> None:
    assert (ROOT / link).exists()
