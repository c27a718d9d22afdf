"""``report``: write what is known of a bundle as one HTML page."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from converter.commands.output import check_output, write_output
from converter.errors import EXIT_OK
from edge_models.bundle import open_manifest

_STANDARD_OUTPUT = Path("-")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="directory of the bundle")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        default=Path("report.html"),
        help="page to write, - for standard output (default: report.html in the present directory)",
    )
    parser.add_argument("--json", action="store_true", help="print the report with the bundle's id, and write no page")


def run(args: argparse.Namespace) -> int:
    """Write the page, or print its numbers."""
    from converter.report.page import report_page
    from converter.report.stored import stored_document

    bundle = open_manifest(args.bundle)
    document = stored_document(bundle)
    if args.json:
        sys.stdout.write(json.dumps(document) + "\n")
        return EXIT_OK
    page = report_page(document)
    if args.output == _STANDARD_OUTPUT:
        sys.stdout.write(page)
        return EXIT_OK
    check_output(args.output, bundle, "report.html")
    write_output(args.output, page.encode())
    sys.stdout.write(f"{args.output}: {len(page.encode())} bytes, open it in a browser\n")
    return EXIT_OK
