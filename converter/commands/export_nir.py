"""``export-nir``: write a spiking network as NIR, for neuromorphic tools."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from converter.commands.output import check_output, write_output
from converter.errors import EXIT_OK, ModelError
from edge_models.bundle import Bundle, open_bundle

EXAMPLES = """examples:
  driftline-convert export-nir bundles/fashion --dialect sinabs-soft -o fashion.nir
  driftline-convert export-nir bundles/fashion --dialect spikingjelly-hard -o fashion.nir --json

The bundle needs a spiking artifact with coding if (spiking.coding=if in its recipe): NIR's neurons fire step by step.
What a reader has to set, and which tools cannot read NIR of convolutional networks today, is in
converter/spiking/NIR.md.
"""
DIALECTS = ("sinabs-soft", "spikingjelly-hard")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"{EXAMPLES}\n{parser.epilog or ''}"
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="directory of the bundle")
    parser.add_argument(
        "--dialect",
        choices=DIALECTS,
        required=True,
        help="sinabs-soft: reset by subtraction, exactly our network; spikingjelly-hard: reset to zero, to learn on",
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="file to write")
    parser.add_argument("--artifact", metavar="NAME", help="which spiking artifact, if there are several")
    parser.add_argument("--json", action="store_true", help='print {"file","bytes","dialect","artifact","nodes"}')


def run(args: argparse.Namespace) -> int:
    """Write the file; print what is in it."""
    from converter.spiking.nir_graph import nir_file, nir_graph
    from edge_models.spiking.archive import from_npz

    bundle = open_bundle(args.bundle)
    name = _spiking_artifact(bundle, args.artifact)
    check_output(args.output, bundle, "network.nir")
    network = from_npz(bundle.read(bundle.artifact(name).file))
    graph = nir_graph(network, args.dialect)
    data = nir_file(graph)
    write_output(args.output, data)
    if args.json:
        about = {"file": str(args.output), "bytes": len(data), "dialect": args.dialect, "artifact": name}
        sys.stdout.write(json.dumps({**about, "nodes": len(graph.nodes)}) + "\n")
    else:
        sys.stdout.write(
            f"{args.output}: {len(data)} bytes, {len(graph.nodes)} nodes of artifact {name}, dialect {args.dialect}\n"
        )
    return EXIT_OK


def _spiking_artifact(bundle: Bundle, wanted: str | None) -> str:
    """Name of the artifact that holds a spiking network itself.

    Raises:
        ModelError: There is none, several, or the named one holds none.
    """
    spiking = [
        name
        for name, artifact in bundle.manifest.artifacts.items()
        if artifact.engine == "spiking" and artifact.file.endswith(".npz")
    ]
    if wanted is not None:
        if wanted not in spiking:
            raise ModelError(f"--artifact {wanted}: expected a spiking artifact, found {', '.join(spiking) or 'none'}")
        return wanted
    if not spiking:
        names = ", ".join(bundle.manifest.artifacts)
        raise ModelError(
            f"{bundle.directory}: found the artifacts {names}, expected a spiking one; build with a section spiking"
        )
    if len(spiking) > 1:
        raise ModelError(f"{bundle.directory}: found {', '.join(spiking)}, expected one; choose with --artifact")
    return spiking[0]
