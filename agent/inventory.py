"""``python -m agent.inventory``: which agent this is and what it can run, as one line of JSON.

A child process, because reading the metadata of packages costs the supervisor 2 MB that it would never give back.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from agent.child import die_with_parent
from agent.errors import ChildError
from edge_models.errors import FieldError
from edge_models.fields import decode_json, described, encode

TIMEOUT_S = 60.0  # a Pi Zero under load; the answer takes 0.2 s on a workstation
MAX_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What is installed."""

    agent: str = described("Version of the agent.", max_length=40)
    runtimes: dict[str, str] = described("Versions of the runtimes by name.", max_length=16)
    river: str = described("Version of River, or missing.", default="missing", max_length=40)


def take_inventory() -> Inventory:
    """Ask a child process.

    Raises:
        ChildError: It did not answer.
    """
    command = [sys.executable, "-m", "agent.inventory"]
    try:
        run = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=TIMEOUT_S, check=True)
        return decode_json(Inventory, run.stdout, max_bytes=MAX_BYTES)
    except (OSError, subprocess.SubprocessError, FieldError) as exc:
        raise ChildError(f"what is installed cannot be found out: {exc}; check the installation") from exc


def pinned(runtimes: Mapping[str, str]) -> list[str]:
    """Runtimes as ``NAME==VERSION``: how other processes are told, so that they judge operators by the version."""
    return [f"{name}=={version}" for name, version in sorted(runtimes.items())]


def main() -> int:
    """Answer."""
    import importlib.metadata

    from edge_models.engines.registry import available_runtimes

    def version(package: str, otherwise: str) -> str:
        try:
            return importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            return otherwise

    die_with_parent()
    found = Inventory(
        agent=version("driftline", "unknown"),
        runtimes=available_runtimes(),
        river=version("river", "missing"),
    )
    sys.stdout.write(json.dumps(encode(found)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
