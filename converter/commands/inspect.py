"""``inspect``: show what a bundle is."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from converter.errors import EXIT_OK
from edge_models.bundle import open_manifest
from edge_models.fields import encode
from edge_models.manifest import Artifact, InputSpec


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="directory of the bundle")
    parser.add_argument("--artifact", metavar="NAME", help="of the artifacts only this one")
    parser.add_argument("--json", action="store_true", help="print id and manifest, the whole one")


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
        f"input       {_input(manifest.input)}",
        f"built       {manifest.provenance.created} from recipe {manifest.provenance.recipe}",
        f"answers     {', '.join(manifest.provenance.answers) or 'no request'}",
    ]
    lines += [f"waived      {one.gate}: {one.found:g}, wanted {one.limit:g}" for one in manifest.provenance.waivers]
    for name, entry in manifest.files.items():
        lines.append(f"file        {name:<24} {entry.size:>9} bytes  {entry.sha256[:16]}")
    names = list(manifest.artifacts) if args.artifact is None else [args.artifact]
    for name in names:
        artifact = bundle.artifact(name)
        lines += _of_artifact(name, artifact)
    sys.stdout.write("\n".join(lines) + "\n")
    return EXIT_OK


def _of_artifact(name: str, artifact: Artifact) -> list[str]:
    """What is to be known of one artifact."""
    lines = [f"artifact    {name}: {artifact.file} on {' or '.join(artifact.requires.runtimes)}"]
    if artifact.coding is not None:
        lines.append(f"            spiking, coding          {artifact.coding}")
    if artifact.exit_margin is not None:
        lines.append(f"            ends early at margin     {artifact.exit_margin} a step")
    if artifact.collapsed is not None:
        lines.append(f"            the same as a graph      {artifact.collapsed}")
    if artifact.float_ops:
        lines.append(f"            in floating point        {', '.join(artifact.float_ops)}")
    more = [output for output in artifact.outputs if output.role == "embedding"]
    lines += [f"            gives as well            {output.name} {list(output.spec.shape)}" for output in more]
    if artifact.threshold is not None:
        lines.append(f"            anomaly above            {artifact.threshold:g}")
    return lines + [f"            {key:<24} {value:g}" for key, value in sorted(artifact.acceptance.items())]


def _input(spec: InputSpec) -> str:
    """What a source delivers, and the names of the steps that follow."""
    rate = "" if spec.rate_hz is None else f" at {spec.rate_hz:g} samples in a second"
    steps = "".join(f", {step.op}" for step in spec.preprocess)
    return f"{spec.kind} {spec.source.dtype}{list(spec.source.shape)}{rate}{steps}"
