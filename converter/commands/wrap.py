"""``wrap``: make a bundle of a .tflite file that was trained and converted elsewhere."""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from converter.commands.given import add_model_arguments, recipe_of_model
from converter.commands.words import built_in_words
from converter.errors import EXIT_OK
from converter.progress import progress_shown

_EPILOG = """\
examples:
  driftline-convert wrap kws_ref_model.tflite --labels words.txt --data kws01.npz -o kws
  driftline-convert wrap mobilenet_v1.tflite --labels imagenet.txt --data pictures.npz -o pictures
  driftline-convert wrap net.tflite --labels l.txt --data d.npz --preprocess '[{op: scale, factor: 0.5}]' -o net

What a frame has to become is guessed from the model's input, and printed: pixels become the codes of a quantised input
one to one, with a resize where sizes differ; for a float input the usual scalings are tried on some of the labelled
examples; data of the input's own integer type are taken as its codes. --preprocess says otherwise.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"{_EPILOG}\n{parser.epilog}"
    parser.add_argument("file", type=Path, metavar="MODEL.tflite", help="file with one input, any operators of TFLite")
    parser.add_argument("--role", choices=("logits", "probabilities", "reconstruction"), help="what the answer means")
    add_model_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Wrap; print what was guessed, what was measured and where the bundle is."""
    from converter.build import read_report
    from converter.recipe import InputRecipe
    from converter.wrap.wrapping import WrapOrder, wrap

    recipe = recipe_of_model(args)
    is_said = args.preprocess is not None or recipe.input.preprocess != ()
    order = WrapOrder(
        file=args.file,
        recipe=recipe,
        output=args.output,
        kind=recipe.input.kind if args.kind or recipe.input != InputRecipe() else None,
        steps=recipe.input.preprocess if is_said else None,
        role=args.role,
        allowed=tuple(args.allow_gate),
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    with progress_shown(args.progress) as progress:
        bundle = wrap(order, progress, time.perf_counter)
    report = read_report(bundle)
    if args.json:
        sys.stdout.write(json.dumps({"bundle": bundle.id, **report}) + "\n")
    else:
        sys.stdout.write(built_in_words(bundle, report, args.output))
    return EXIT_OK
