"""YAML to plain JSON values, here or in a child process.

PyYAML is needed once, at start, and holds 2 MB for ever after. The supervisor lets ``python -m agent.yaml_document``
read the text and takes JSON from it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import cast

from agent.child import die_with_parent
from agent.errors import ConfigError
from edge_models.errors import EdgeModelsError

TIMEOUT_S = 60.0  # a Pi Zero under load


def parse_yaml(data: bytes) -> object:
    """The document as JSON has it; dates and the like become text.

    Raises:
        ConfigError: It is not YAML, or has a key twice.
    """
    from edge_models.yaml_document import parse_yaml as parse_strictly

    try:
        return json.loads(json.dumps(parse_strictly(data), default=str))
    except (EdgeModelsError, ValueError, TypeError, RecursionError) as exc:
        raise ConfigError(str(exc)) from exc


def parse_in_child(data: bytes) -> object:
    """The same from a child process.

    Raises:
        ConfigError: It is not YAML, or the child did not answer.
    """
    command = [sys.executable, "-m", "agent.yaml_document"]
    try:
        run = subprocess.run(command, input=data, stdout=subprocess.PIPE, timeout=TIMEOUT_S, check=True)
        answer = cast("dict[str, object]", json.loads(run.stdout))
    except (OSError, subprocess.SubprocessError, ValueError) as exc:
        raise ConfigError(f"cannot be parsed: {exc}; check the installation") from exc
    if "error" in answer:
        raise ConfigError(str(answer["error"]))
    return answer["document"]


def main() -> int:
    """Parse stdin; one line of JSON with ``document`` or ``error``."""
    die_with_parent()
    try:
        answer: dict[str, object] = {"document": parse_yaml(sys.stdin.buffer.read())}
    except ConfigError as exc:
        answer = {"error": str(exc)}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
