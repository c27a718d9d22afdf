"""What ``wrap`` and ``import`` are both given: labels, data, preprocessing, and what the bundle is to be called."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converter.errors import InputFileError
from edge_models.errors import FieldError
from edge_models.yaml_document import parse_yaml

if TYPE_CHECKING:
    from converter.recipe import Recipe

_MAX_BYTES = 256 * 1024
_WANTED = "expected a list of steps such as [{op: scale, factor: 0.5}]"


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--labels", type=Path, metavar="F", help="name of a class in each line, or a JSON list")
    parser.add_argument(
        "--data",
        required=True,
        metavar="D",
        help="npz with x, y and perhaps group; folder or zip of pictures or WAV files; or a recipe that describes it",
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="directory of the bundle")
    parser.add_argument("--preprocess", metavar="YAML", help="steps from frame to input: a file, or the list itself")
    parser.add_argument("--kind", choices=("image", "rows", "audio"), help="what the frames are")
    parser.add_argument("--model", metavar="NAME", help="model slot; from the file's name when left out")
    parser.add_argument("--version", metavar="V", help="version for people")
    parser.add_argument("--serial", type=int, metavar="N", help="serial of the bundle")
    parser.add_argument("--limit", type=int, metavar="N", help="use at most so many examples")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a key of a recipe, such as gates.metric=0.9"
    )
    parser.add_argument(
        "--allow-gate", action="append", default=[], metavar="NAME", help="gate that may be missed; the manifest tells"
    )
    parser.add_argument("--json", action="store_true", help="print report.json with the bundle's id")
    parser.add_argument("--progress", choices=("auto", "json", "plain", "none"), default="auto", help="on stderr")


def recipe_of_model(args: argparse.Namespace, *, task: str = "classification") -> Recipe:
    """The recipe that the arguments amount to.

    Args:
        args: As ``add_model_arguments`` has made them, with ``file``.
        task: For a model that is converted.

    Raises:
        InputFileError: One of them is wrong.
    """
    from converter.recipe.imported import model_recipe
    from converter.wrap.labels import read_labels

    given: dict[str, Any] = {"name": f"{args.command} {args.file.name}"[:64], "task": task}
    given |= {name: value for name in ("model", "version", "serial") if (value := getattr(args, name)) is not None}
    changed: dict[str, Any] = {} if args.preprocess is None else _input_section(args.preprocess)
    if args.kind is not None:
        changed["kind"] = args.kind
    more = [] if args.limit is None else [f"dataset.limit={args.limit}"]
    return model_recipe(
        args.file,
        args.data,
        () if args.labels is None else read_labels(args.labels),
        [*args.set, *more],
        args.places,
        given | ({"input": changed} if changed else {}),
    )


def _input_section(text: str) -> dict[str, Any]:
    """The keys of a recipe's section ``input`` from a list of steps, or from the section itself."""
    path = Path(text)
    label = "--preprocess"
    try:
        if not text.lstrip().startswith(("[", "{")):
            label = f"--preprocess {path}"
            with path.open("rb") as stream:
                text = stream.read(_MAX_BYTES).decode()
        found = parse_yaml(text)
    except (OSError, FieldError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else str(exc)
        raise InputFileError(
            f"{label}: {reason}; expected a list of steps such as [{{op: scale, factor: 0.5}}]"
        ) from exc
    if isinstance(found, dict):
        return dict(found.get("input", found))
    if not isinstance(found, list):
        raise InputFileError(f"{label}: found {found!r}, {_WANTED}")
    return {"preprocess": found}
