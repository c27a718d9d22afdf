"""Starts `driftline-fleet`; on a fresh machine it sets up the environment first.

The standard library alone until `deploy.cli` is imported, which holds the commands.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from deploy import bootstrap

HELP = """\
usage: python3 -m deploy COMMAND [...]        (installed: driftline-fleet COMMAND [...])

The fleet side of Driftline. The packages that it needs are not installed for this Python, so this is the short help.

  python3 -m deploy demo      makes .venv, installs the pinned packages there and runs the whole loop on this machine
  python3 -m deploy COMMAND   does the same set-up once, then runs the command; `COMMAND --help` describes it

Without the automatic set-up:

  uv run --extra demo python -m deploy demo
  python3 -m venv .venv && .venv/bin/pip install -c constraints.txt -e '.[demo]' && .venv/bin/python -m deploy demo
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command of the fleet side and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    is_bare = any(bootstrap.missing_modules(["deploy"]))
    if is_bare and (not arguments or {"-h", "--help"} & set(arguments)):
        print(HELP, end="")
        return 0
    if is_bare or arguments[:1] == ["demo"]:  # the demo trains and runs agents, too
        bootstrap.ensure(["demo"], argv=["-m", "deploy", *arguments])
    if arguments[:1] == ["wheels"]:  # cross-compilers, which nothing else needs
        bootstrap.ensure(["deploy", "wheels"], argv=["-m", "deploy", *arguments])
    from deploy.cli import main as run_command

    return run_command(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
