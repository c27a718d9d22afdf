"""Build wheels with the C kernel of spiking networks for x86-64, aarch64 and armv7.

All are built on this machine, with the C compiler in PyPI's ziglang. The wheel without a kernel (py3-none-any)
installs everywhere; there spiking networks run in numpy, slower, with the same answers.

  driftline-fleet wheels -o dist
  pip install --find-links dist 'driftline[agent]'      on a Pi: takes the one that fits
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

from deploy.bootstrap import ROOT
from deploy.commands._output import print_json, print_table, warn
from deploy.errors import EXIT_OK
from deploy.wheels.platforms import BY_NAME, PLATFORMS

EXIT_CODES: dict[int, str] = {}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the wheels")
    parser.add_argument(
        "--platform",
        action="append",
        choices=BY_NAME,
        metavar="NAME",
        help=f"one of {', '.join(BY_NAME)}; may be given several times (all)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(args: argparse.Namespace) -> int:
    """Build them, then list them."""
    from deploy.wheels.build import build_wheels

    platforms = [BY_NAME[name] for name in dict.fromkeys(args.platform)] if args.platform else PLATFORMS
    wheels = build_wheels(ROOT, args.output, platforms, warn)
    found = [(path, path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()) for path in wheels]
    if args.json:
        print_json([{"file": str(path), "size_bytes": size, "sha256": digest} for path, size, digest in found])
        return EXIT_OK
    rows = [(path, f"{size:,}", digest[:12]) for path, size, digest in found]
    print_table(("wheel", "bytes", "sha256"), rows, empty="no wheels")
    return EXIT_OK
