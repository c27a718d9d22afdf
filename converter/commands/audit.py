"""``audit``: find duplicates, leakage, wrong labels, imbalance and the gap to the field before anything is learnt."""

from __future__ import annotations

import argparse
import functools
import json
import sys
from pathlib import Path

from converter.errors import EXIT_FAILED, EXIT_OK, RequestError
from converter.progress import progress_shown
from edge_models.bundle import open_bundle

EXAMPLES = """examples:
  driftline-convert audit fashion_mnist
  driftline-convert audit photos.zip --set 'dataset.pattern=(?P<group>site\\d)/(?P<label>[a-z]+)/'
  driftline-convert audit new.npz --recipe pump.yaml
  driftline-convert audit fashion_mnist --against evidence.json --bundle bundles/fashion

With findings the exit code is 0 all the same; with --strict it is 1 when one of them is more than a note.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"{EXAMPLES}\n{parser.epilog or ''}"
    parser.add_argument(
        "data",
        metavar="DATA",
        help="recipe (file or name), or data: a source such as images:PATH, a folder, zip, csv or npz",
    )
    parser.add_argument("--recipe", metavar="R", help="read and divide DATA as this recipe says")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a key of the recipe")
    parser.add_argument(
        "--against", type=Path, metavar="SKETCH", help="what devices see: a sketch, a message or evidence E.json"
    )
    parser.add_argument("--bundle", type=Path, metavar="BUNDLE", help="bundle that these devices held")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a finding is more than a note")
    parser.add_argument("--json", action="store_true", help="print the audit as one JSON document")
    parser.add_argument("--progress", choices=("auto", "json", "plain", "none"), default="auto", help="on stderr")


def run(args: argparse.Namespace) -> int:
    """Audit; print findings by weight."""
    from converter.audit import audit
    from converter.audit.field import field_gap, read_sketches
    from converter.audit.target import audited_recipe
    from converter.audit.text import audit_text

    if (args.against is None) != (args.bundle is None):
        raise RequestError(
            "--against and --bundle: found one of them, expected both: a sketch counts in its bundle's bins"
        )
    recipe = audited_recipe(args.data, args.recipe, args.set, args.places)
    against = None
    if args.against is not None:
        sketches, bundle = read_sketches(args.against), open_bundle(args.bundle)
        against = functools.partial(field_gap, sketches=sketches, bundle=bundle)
    with progress_shown(args.progress) as progress:
        found = audit(recipe, progress, against)
    sys.stdout.write(json.dumps(found.document()) + "\n" if args.json else audit_text(found))
    return EXIT_FAILED if args.strict and not found.is_clean else EXIT_OK
