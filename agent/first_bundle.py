"""The bundle that ``bundle:`` in agent.yaml names: checked in a child process, for a device that has none yet."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.config import AgentConfig
from agent.errors import ConfigError
from agent.inventory import pinned
from edge_models.bundle import Bundle, open_manifest
from edge_models.errors import BundleError

TIMEOUT_S = 600.0  # hashing half a gigabyte from an old SD card


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstBundle:
    """A bundle and the artifact of it that this device runs."""

    bundle: Bundle
    artifact: str


def check_first_bundle(config: AgentConfig, path: Path, runtimes: Mapping[str, str]) -> FirstBundle:
    """Check manifest and files.

    Args:
        config: For model and artifact.
        path: Where the bundle lies.
        runtimes: What runs here, with versions.

    Raises:
        ConfigError: It cannot be used.
    """
    try:
        bundle = open_manifest(path)
    except BundleError as exc:
        raise ConfigError(f"bundle: {exc}") from exc
    wanted = config.artifact or "-"
    command = [sys.executable, "-m", "agent.verify", str(path), bundle.id, config.model, wanted, *pinned(runtimes)]
    try:
        run = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=TIMEOUT_S, check=True)
        answer = json.loads(run.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as exc:
        raise ConfigError(f"bundle: {path} cannot be checked: {exc}") from exc
    if answer.get("event") != "verified":
        raise ConfigError(f"bundle: {answer.get('message')}")
    return FirstBundle(bundle=bundle, artifact=str(answer["artifact"]))
