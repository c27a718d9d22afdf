"""``evaluate``: measure every artifact of a bundle on labelled frames, as a device would see them."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from converter.errors import EXIT_OK, DatasetError
from edge_models.bundle import open_bundle


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="directory of the bundle")
    parser.add_argument("data", type=Path, metavar="DATA.npz", help="x (n, ...) as the source delivers it, y (n,)")
    parser.add_argument("--artifact", metavar="NAME", help="only this artifact")
    parser.add_argument("--json", action="store_true", help='print {"n","artifacts":{NAME:{"accuracy"}}}')


def run(args: argparse.Namespace) -> int:
    """Print the accuracy of each artifact."""
    from converter.datasets.load import read_examples
    from converter.evaluate import accuracy_of, examples_of

    bundle = open_bundle(args.bundle)
    names = list(bundle.manifest.artifacts) if args.artifact is None else [args.artifact]
    examples = read_examples(args.data)
    try:
        inputs, y = examples_of(bundle.manifest.input, *examples)
        found = {name: accuracy_of(bundle, name, inputs, y) for name in names}
    except DatasetError as exc:
        raise DatasetError(f"{args.data}: {exc}") from exc
    if args.json:
        artifacts = {name: {"accuracy": accuracy} for name, accuracy in found.items()}
        sys.stdout.write(json.dumps({"n": len(y), "artifacts": artifacts}) + "\n")
        return EXIT_OK
    for name, accuracy in found.items():
        sys.stdout.write(f"{name}: accuracy {accuracy:.4f} on {len(y)} examples\n")
    return EXIT_OK
