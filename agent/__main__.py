"""driftline-agent: runs a model on this device, watches for drift, and keeps the model up to date.

    driftline-agent run -c agent.yaml       until SIGTERM or Ctrl-C
    driftline-agent check -c agent.yaml     is the configuration right?
    driftline-agent replay BUNDLE FRAMES.npz   the whole pipeline over recorded frames, without a broker
    driftline-agent explain agent.yaml         the last episode of drift, for a person
    driftline-agent status|why|selftest|rollback|hold|wipe-samples   asks or tells the agent that runs on this device

Exit codes: 0 done or told to stop, 1 repeated unforeseen failures, or nobody reads the output any more, 2 bad input
(one line on stderr says what), 3 no agent runs that could be asked, 130 Ctrl-C and 143 SIGTERM during all others.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from agent.clock import SystemClock
from agent.config import load_config
from agent.errors import AgentError
from agent.log_format import log_to_stderr
from edge_models.errors import EdgeModelsError

PROGRAM = "driftline-agent"
EXIT_UNREAD = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


class Terminated(BaseException):
    """SIGTERM has arrived; like Ctrl-C it ends the program through its ``finally`` blocks, so no child stays."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Print the line and end."""
        self.exit(EXIT_BAD_INPUT, f"{PROGRAM}: error: {message}; see `{self.prog} --help`\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that ``argv`` names; the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    arguments = _parser(is_daemon=words[:1] == ["run"]).parse_args(words)
    log_to_stderr(verbose=arguments.verbose)
    previous = signal.signal(signal.SIGTERM, _terminate)  # until the supervisor takes it over
    try:
        return _run(arguments)
    except (AgentError, EdgeModelsError) as exc:
        print(f"{PROGRAM}: error: {' '.join(str(exc).split())}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Terminated:
        return EXIT_TERMINATED
    finally:
        signal.signal(signal.SIGTERM, previous)


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated


def _run(arguments: argparse.Namespace) -> int:
    match arguments.command:
        case "run":
            return _run_daemon(arguments.config)
        case "check":
            return _check(arguments.config, as_json=arguments.json)
        case "explain":
            from agent.explain.command import run as explain

            return _say(explain(arguments))
        case "replay":
            from agent.worker.replay_command import run as replay

            return _say(replay(arguments))
        case _:
            return _ask(arguments)


def _say(text: str) -> int:
    """Print what was asked for; the exit code."""
    try:
        print(text, flush=True)
    except BrokenPipeError:  # the reader has gone, as in `driftline-agent explain | head -1`
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.close()  # or Python would try once more at its end
        return EXIT_UNREAD
    return 0


def _ask(arguments: argparse.Namespace) -> int:
    from agent.local.command import run

    told = run(arguments)
    return _say(told.text) or told.code


def _run_daemon(path: Path) -> int:
    from agent.adapters import Adapters
    from agent.runner import build
    from agent.systemd_notify import Systemd
    from agent.yaml_document import parse_in_child

    systemd = Systemd.from_environment(os.environ, os.getpid())
    config = load_config(path, parse=parse_in_child)
    return build(config, clock=SystemClock(), rng=random.SystemRandom(), adapters=Adapters(systemd=systemd)).run()


def _check(path: Path, *, as_json: bool) -> int:
    from agent.preflight import preflight

    try:
        config = load_config(path)
        problems = [f"{path}: {problem}" for problem in preflight(config)]
    except AgentError as exc:
        problems = [str(exc)]
    said = 0
    if as_json:
        said = _say(json.dumps({"ok": not problems, "file": str(path), "errors": problems}))
    elif not problems:
        said = _say(f"{path}: ok")
    if not as_json:
        for problem in problems:
            print(f"{PROGRAM}: error: {' '.join(problem.split())}", file=sys.stderr)
    return EXIT_BAD_INPUT if problems else said


def _parser(*, is_daemon: bool) -> argparse.ArgumentParser:
    """Arguments of all commands; the daemon does without those of others, whose modules it would keep in memory."""
    parser = Parser(prog=PROGRAM, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-v", "--verbose", action="store_true", help="log details, too")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run",
        help="run until SIGTERM or Ctrl-C",
        description="Run the model, watch for drift and keep the model up to date until SIGTERM or Ctrl-C.",
        epilog="Exit codes: 0 told to stop, 1 repeated unforeseen failures, 2 bad input. The log goes to stderr.",
    )
    run.add_argument("-c", "--config", type=Path, required=True, metavar="FILE", help="agent.yaml")
    check = commands.add_parser(
        "check",
        help="say whether a configuration is right",
        description="Say whether a configuration is right: keys and values, certificates, bundle, source, detectors.",
        epilog="Exit codes: 0 right, 2 wrong (one line on stderr for each mistake), 130 Ctrl-C, 143 SIGTERM.",
    )
    check.add_argument("-c", "--config", type=Path, required=True, metavar="FILE", help="agent.yaml")
    check.add_argument("--json", action="store_true", help="print one JSON document: ok, file, errors")
    if not is_daemon:
        _add_others(commands)
    return parser


def _add_others(commands: argparse._SubParsersAction[Parser]) -> None:
    from agent.explain import command as explain  # none of them loads numpy
    from agent.local import arguments as local
    from agent.worker import replay_command as replay

    replay.add_arguments(commands.add_parser("replay", help="run recorded frames through the whole pipeline"))
    explain.add_arguments(commands.add_parser("explain", help="tell the last episode of drift"))
    for name, what in local.COMMANDS.items():
        local.add_arguments(commands.add_parser(name, help=what), name)


if __name__ == "__main__":
    sys.exit(main())
