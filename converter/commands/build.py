"""``build``: train a recipe and convert it to a bundle; with evidence and samples, retrain."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from converter.commands.words import built_in_words
from converter.errors import EXIT_OK
from converter.progress import progress_shown
from edge_models.bundle import open_bundle


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("recipe", metavar="RECIPE", help="recipe file, or the name of a shipped one, such as mnist5k")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="directory of the bundle")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a key of the recipe")
    parser.add_argument("--serial", type=int, metavar="N", help="serial of the bundle")
    parser.add_argument("--version", metavar="V", help="version of the bundle for people")
    parser.add_argument(
        "--allow-gate", action="append", default=[], metavar="NAME", help="gate that may be missed; the manifest tells"
    )
    parser.add_argument("--json", action="store_true", help="print report.json with the bundle's id")
    parser.add_argument("--progress", choices=("auto", "json", "plain", "none"), default="auto", help="on stderr")
    again = parser.add_argument_group("retraining")
    again.add_argument("--parent", type=Path, metavar="BUNDLE", help="bundle to replace; its profile reads evidence")
    again.add_argument("--evidence", type=Path, metavar="E.json", help="what devices saw")
    again.add_argument("--samples", type=Path, metavar="S.npz", help="labelled frames: x, y, group")
    again.add_argument(
        "--unlabelled", type=Path, metavar="U.npz", help="frames x without labels, for a recipe that pre-trains"
    )
    again.add_argument("--answers", action="append", default=[], metavar="ID", help="request that it answers")
    again.add_argument("--init", type=Path, metavar="MODEL.keras", help="Keras model to start from")
    again.add_argument("--keep-model", type=Path, metavar="MODEL.keras", help="where to keep the Keras model")
    again.add_argument(
        "--blind", action="store_true", help="the effort of a retraining without evidence and samples, to compare with"
    )


def run(args: argparse.Namespace) -> int:
    """Build; print where the bundle is, or its report."""
    from converter.build import BuildOrder, build, read_report
    from converter.recipe import load_recipe
    from converter.request import read_retraining, read_unlabelled

    overrides = list(args.set)
    overrides += [f"{key}={value}" for key in ("serial", "version") if (value := getattr(args, key)) is not None]
    recipe = load_recipe(args.recipe, [_quoted(override) for override in overrides], args.places)
    parent = None if args.parent is None else open_bundle(args.parent)
    given = args.evidence is not None or args.samples is not None
    order = BuildOrder(
        recipe=recipe,
        output=args.output,
        retraining=read_retraining(args.evidence, args.samples, parent) if given else None,
        unlabelled=None if args.unlabelled is None else read_unlabelled(args.unlabelled),
        is_blind=args.blind,
        parent=parent,
        answers=tuple(args.answers),
        initial=args.init,
        kept_model=args.keep_model,
        allowed=tuple(args.allow_gate),
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    with progress_shown(args.progress) as progress:
        bundle = build(order, progress)
    report = read_report(bundle)
    if args.json:
        sys.stdout.write(json.dumps({"bundle": bundle.id, **report}) + "\n")
    else:
        sys.stdout.write(built_in_words(bundle, report, args.output))
    return EXIT_OK


def _quoted(override: str) -> str:
    """``version=1.10`` is the text 1.10 and not the number 1.1."""
    key, _, value = override.partition("=")
    return f"{key}={json.dumps(value)}" if key == "version" else override
