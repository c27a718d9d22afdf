"""The arguments of the commands that talk to the running agent. Loads nothing else, as every start reads it."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

CONFIG_DIR = Path("/etc/driftline")
_UNITS_S = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_DURATION = re.compile(r"(?:(\d{1,4})d)?(?:(\d{1,4})h)?(?:(\d{1,5})m)?(?:(\d{1,7})s?)?")
EPILOG = (
    "Exit codes: 0 done, 1 refused or not right (the reason is told), 2 bad input or no permission, 3 no agent runs."
)
COMMANDS = {
    "status": "how the running agent is doing",
    "why": "the last decisions on updates and drift, with their evidence",
    "selftest": "check the installed model's files and golden outputs",
    "rollback": "go back to the model before",
    "hold": "keep updates from starting, for a while or until --off",
    "wipe-samples": "forget kept inputs and those that wait to be sent",
}


def add_arguments(parser: argparse.ArgumentParser, name: str) -> None:
    """Describe the command's arguments to ``parser``."""
    parser.description = f"{COMMANDS[name][0].upper()}{COMMANDS[name][1:]}."
    parser.epilog = EPILOG
    parser.add_argument(
        "-c", "--config", type=Path, metavar="FILE",
        help=f"agent.yaml (default: the one here, or the only one in {CONFIG_DIR})",
    )  # fmt: skip
    if name != "selftest":
        parser.add_argument("--socket", type=Path, metavar="PATH", help="socket of the agent, in the place of --config")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    if name == "hold":
        which = parser.add_mutually_exclusive_group()
        which.add_argument(
            "--for", dest="for_s", type=seconds, metavar="TIME", help="such as 2h, 30m or 1d12h (default: for good)"
        )
        which.add_argument("--off", action="store_true", help="let updates start again")


def seconds(text: str) -> float:
    """A duration such as 2h, 30m or 1d12h in seconds; a plain number is seconds.

    >>> seconds("2h"), seconds("1d12h"), seconds("90")
    (7200.0, 129600.0, 90.0)
    """
    found = _DURATION.fullmatch(text.strip().lower())
    total_s = 0 if found is None else sum(
        int(part or 0) * unit for part, unit in zip(found.groups(), _UNITS_S.values(), strict=True)
    )  # fmt: skip
    if total_s <= 0:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a time such as 2h, 30m or 1d12h")
    return float(total_s)
