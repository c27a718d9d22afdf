"""``driftline-convert``: build, inspect, verify and evaluate bundles."""

from __future__ import annotations

import argparse
import importlib
import keyword
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from converter.errors import EXIT_USAGE, ConverterError
from edge_models.errors import EdgeModelsError

PROGRAM = "driftline-convert"
DATA_PLACE = "DRIFTLINE_DATA"  # the environment variable, and $DRIFTLINE_DATA in a recipe
COMMANDS = {
    "audit": "find what is wrong with data before anything is learnt from them",
    "build": "train a recipe and convert it to a bundle",
    "import": "convert a trained Keras model or a SavedModel to a bundle",
    "wrap": "make a bundle of a .tflite file from elsewhere",
    "inspect": "show what a bundle is",
    "verify": "check every byte of a bundle and run its golden inputs",
    "evaluate": "measure a bundle's artifacts on labelled data",
    "report": "write what is known of a bundle as one HTML page",
    "export-nir": "write a spiking network as NIR, for neuromorphic tools",
}
EXIT_CODES = "exit codes: 0 done, 1 failed (training, conversion or a gate), 2 wrong usage or input"


class Terminated(BaseException):
    """SIGTERM has arrived; like Ctrl-C it ends the program through its ``finally`` blocks."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Print the line and end with exit code 2."""
        self.exit(EXIT_USAGE, f"{PROGRAM}: error: {message}; see `{self.prog} --help`\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    # numpy's threads wait by spinning: small matrix products cost twice the processor time with two of them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    arguments = list(sys.argv[1:] if argv is None else argv)
    previous = signal.signal(signal.SIGTERM, _terminate)
    try:
        args = parser(arguments).parse_args(arguments, argparse.Namespace(places=_places()))
        return int(_command(args.command).run(args))
    except ConverterError as exc:
        return _fail(str(exc), exc.exit_code)
    except EdgeModelsError as exc:
        return _fail(str(exc), EXIT_USAGE)
    except ModuleNotFoundError as exc:
        expected = "expected the extra converter; pip install -c constraints.txt '.[converter]'"
        return _fail(f"found no package {exc.name} in this environment, {expected}", EXIT_USAGE)
    except OSError as exc:
        return _fail(str(exc), 1)
    except KeyboardInterrupt:
        return 130
    except Terminated:
        return 143
    finally:
        signal.signal(signal.SIGTERM, previous)


def parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The parser; only the chosen command's module is imported."""
    top = Parser(prog=PROGRAM, description=__doc__, epilog=EXIT_CODES)
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    chosen = next((argument for argument in arguments if not argument.startswith("-")), None)
    for name, summary in COMMANDS.items():
        sub = commands.add_parser(name, help=summary, description=summary, epilog=EXIT_CODES)
        if name == chosen:
            _command(name).configure(sub)
    return top


def _command(name: str) -> Any:  # noqa: ANN401 - a module with configure and run
    module = name.replace("-", "_") + ("_" if keyword.iskeyword(name) else "")
    return importlib.import_module(f"converter.commands.{module}")


def _places() -> dict[str, str]:
    """Folders that may stand in paths of recipes by their name; what is not here is missing."""
    default = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
    folder = os.environ.get(DATA_PLACE) or (str(default) if default.is_dir() else None)
    return {} if folder is None else {DATA_PLACE: str(Path(folder).absolute())}


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"{PROGRAM}: error: {' '.join(message.split())}\n")
    return code


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated


if __name__ == "__main__":
    sys.exit(main())
