"""``inspect``: show what a bundle is."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from converter.errors import EXIT_OK
from edge_models.bundle import open_manifest
from edge_models.fields import encode


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="directory of the bundle")
    parser.add_argument("--json", action="store_true", help="print id and manifest")


def run(args: argparse.Namespace) -> int:
    """Print the manifest, for programs or for people."""
    bundle = open_manifest(args.bundle)
    manifest = bundle.manifest
    if args.json:
        sys.stdout.write(json.dumps({"bundle": bundle.id, "manifest": encode(manifest)}) + "\n")
        return EXIT_OK
    lines = [
        f"bundle      {bundle.id}",
        f"model       {manifest.model} {manifest.version}, serial {manifest.serial}, {manifest.task}",
        f"labels      {', '.join(manifest.labels)}",
        f"input       {manifest.input.kind} {manifest.input.source.dtype}{list(manifest.input.source.shape)}",
        f"built       {manifest.provenance.created} from recipe {manifest.provenance.recipe}",
        f"answers     {', '.join(manifest.provenance.answers) or 'no request'}",
    ]
    for name, entry in manifest.files.items():
        lines.append(f"file        {name:<24} {entry.size:>9} bytes  {entry.sha256[:16]}")
    for name, artifact in manifest.artifacts.items():
        lines.append(f"artifact    {name}: {artifact.file} on {' or '.join(artifact.requires.runtimes)}")
        lines += [f"            {key:<24} {value:g}" for key, value in sorted(artifact.acceptance.items())]
    sys.stdout.write("\n".join(lines) + "\n")
    return EXIT_OK
