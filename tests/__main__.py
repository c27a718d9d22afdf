"""`python3 -m tests`: sets up the environment on a fresh machine, then hands over to `tests.runner`."""

from __future__ import annotations

import sys

from deploy import bootstrap


def main() -> int:
    """Run the chosen steps and return the exit code."""
    bootstrap.ensure(["demo", "dev"], argv=["-m", "tests", *sys.argv[1:]])
    from tests.runner.cli import main as run_steps

    return run_steps(sys.argv[1:])


if __name__ == "__main__":
    raise SystemExit(main())
