"""`driftline-fleet`: finds the verbs in deploy/commands and runs the chosen one, importing no other.

A command is a module `deploy/commands/VERB.py` (an underscore in its name is a hyphen in the verb) with

    EXIT_CODES: dict[int, str]                              beyond 0, 1 and 2, which mean the same everywhere
    LOG_LEVEL = "info"                                      only in daemons: others log warnings
    def configure(parser: argparse.ArgumentParser) -> None  adds its arguments
    def run(args: argparse.Namespace) -> int                does the work and returns the exit code

The first line of its docstring is its help. Errors of ours become one line on stderr and an exit code here, so that no
command has to; SIGTERM ends a command as Ctrl-C does, through its `finally` blocks. Daemons return 0 for both.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import importlib.util
import logging
import pkgutil
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType
from typing import Any, NoReturn, Protocol, cast

from deploy.errors import EXIT_FAILED, EXIT_OK, EXIT_USAGE, DeployError, Terminated
from edge_models.errors import EdgeModelsError

PROGRAM = "driftline-fleet"
PACKAGE = "deploy.commands"
COMMON_EXIT_CODES = {
    EXIT_OK: "done",
    EXIT_FAILED: "failed",
    EXIT_USAGE: "wrong usage, configuration or input",
    130: "ended by Ctrl-C",
    143: "ended by SIGTERM",
}


class Command(Protocol):
    """What a module in deploy/commands offers."""

    EXIT_CODES: Mapping[int, str]

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add the verb's arguments."""

    def run(self, args: argparse.Namespace) -> int:
        """Do the work; return the exit code."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, as every other error of the program is.

    Attributes:
        exit_codes: Shown at the end of the help, of a verb's actions as well.
    """

    exit_codes: Mapping[int, str] = COMMON_EXIT_CODES

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - argparse's own
        lines = (f"  {code:<4} {meaning}" for code, meaning in sorted(self.exit_codes.items()))
        options.setdefault("epilog", "\n".join(("exit codes:", *lines)))
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(**options)

    def error(self, message: str) -> NoReturn:
        """Print the one line and end with exit code 2."""
        self.exit(EXIT_USAGE, f"{PROGRAM}: error: {message}; see `{self.prog} --help`\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    previous = signal.signal(signal.SIGTERM, _terminate)
    try:
        return _run(arguments)
    except (DeployError, EdgeModelsError) as exc:
        return _fail(str(exc), exc.exit_code if isinstance(exc, DeployError) else EXIT_USAGE)
    except KeyboardInterrupt:
        return 130
    except Terminated:
        return 143
    except BrokenPipeError:  # the reader of our output has gone, as in `driftline-fleet devices | head -1`
        sys.stderr.close()
        return EXIT_FAILED
    except OSError as exc:  # the system's own message names the file
        return _fail(str(exc), EXIT_FAILED)
    finally:
        signal.signal(signal.SIGTERM, previous)


def verbs() -> dict[str, str]:
    """The module of each verb, found without importing any."""
    package = importlib.import_module(PACKAGE)
    names = sorted(info.name for info in pkgutil.iter_modules(package.__path__) if not info.name.startswith("_"))
    return {name.replace("_", "-"): f"{PACKAGE}.{name}" for name in names}


def summary(module: str) -> str:
    """The first line of a module's docstring, read from its source: importing it would cost what --help saves."""
    spec = importlib.util.find_spec(module)
    source = getattr(spec.loader, "get_source", lambda _: None)(module) if spec else None
    docstring = ast.get_docstring(ast.parse(source)) if source else None
    return (docstring or "").partition("\n")[0].rstrip(".")


def build_parser(verb: str, command: Command) -> argparse.ArgumentParser:
    """The parser of one verb, with its exit codes in the help."""

    class VerbParser(Parser):
        exit_codes = COMMON_EXIT_CODES | dict(command.EXIT_CODES)

    parser = VerbParser(prog=f"{PROGRAM} {verb}", description=command.__doc__)
    level = getattr(command, "LOG_LEVEL", "warning")
    levels = ("debug", "info", "warning", "error")
    parser.add_argument("--log-level", default=level, choices=levels, help="on stderr (%(default)s)")
    command.configure(parser)
    return parser


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print("\n".join(_overview()))
        return EXIT_OK if arguments else EXIT_USAGE
    known = verbs()
    verb = arguments[0]
    if verb not in known:
        return _fail(f"no command {verb!r}, expected one of {', '.join(known)}", EXIT_USAGE)
    command = cast("Command", importlib.import_module(known[verb]))
    args = build_parser(verb, command).parse_args(arguments[1:])
    logging.basicConfig(level=args.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    return command.run(args)


def _overview() -> Iterator[str]:
    known = verbs()
    width = max(map(len, known))
    yield f"usage: {PROGRAM} COMMAND [...]"
    yield ""
    yield "The fleet side of Driftline: registry, rollouts, retraining, fleet database, broker and the demo."
    yield ""
    yield from (f"  {verb:<{width}}  {summary(module)}" for verb, module in known.items())
    yield ""
    yield f"`{PROGRAM} COMMAND --help` describes a command with its exit codes; with --json its output is JSON."


def _fail(message: str, code: int) -> int:
    print(f"{PROGRAM}: error: {' '.join(message.split())}", file=sys.stderr)
    return code


def _terminate(_signum: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated
