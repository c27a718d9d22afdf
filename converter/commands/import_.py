"""``import``: convert a trained Keras model or a SavedModel to a bundle, without a recipe."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from converter.commands.given import add_model_arguments, recipe_of_model
from converter.commands.words import built_in_words
from converter.errors import EXIT_OK
from converter.progress import progress_shown

_EPILOG = """\
examples:
  driftline-convert import resnet.h5 --labels cifar10.txt --data pictures.zip -o resnet
  driftline-convert import net.keras --labels l.txt --data d.npz --preprocess "[{op: scale, factor: 0.0039216}]" -o net
  driftline-convert import ad01.h5 --task anomaly --data machine.npz -o machine    # y: 0 normal, 1 anomaly

Pixels are scaled as a few of the labels speak for, unless --preprocess says how. The model is taken as it is: a softmax
at its end is left out, int8 gets its ranges from a fifth of the data, half of the data gives the figures, the rest the
reference profile. For anything else (training on, other precisions, gates) use --set, or write a recipe with
network: {type: saved, path: MODEL}.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"{_EPILOG}\n{parser.epilog}"
    parser.add_argument("file", type=Path, metavar="MODEL", help=".keras or .h5 file, or the folder of a SavedModel")
    parser.add_argument(
        "--task",
        choices=("classification", "anomaly"),
        default="classification",
        help="anomaly: a model that restores its input; the first label is what is normal",
    )
    add_model_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Convert; print where the bundle is and what was measured."""
    from converter.build import BuildOrder, build, read_report
    from converter.packaging import check_output
    from converter.wrap.scaling import with_usual_scaling

    recipe = recipe_of_model(args, task=args.task)
    check_output(args.output)
    with progress_shown(args.progress) as progress:
        recipe, said = (recipe, None) if args.preprocess else with_usual_scaling(recipe, progress)
        order = BuildOrder(
            recipe=recipe,
            output=args.output,
            allowed=tuple(args.allow_gate),
            created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            notes=() if said is None else (said,),
        )
        bundle = build(order, progress)
    report = read_report(bundle)
    if args.json:
        sys.stdout.write(json.dumps({"bundle": bundle.id, **report}) + "\n")
    else:
        sys.stdout.write(built_in_words(bundle, report, args.output))
    return EXIT_OK
