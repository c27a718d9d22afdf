"""``report``: write what is known of a bundle as one HTML page."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from converter.errors import EXIT_OK, OutputError
from edge_models.bundle import Bundle, open_manifest

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
    _check(args.output, bundle)
    _write(args.output, page)
    sys.stdout.write(f"{args.output}: {len(page.encode())} bytes, open it in a browser\n")
    return EXIT_OK


def _check(output: Path, bundle: Bundle) -> None:
    if output.is_dir():
        raise OutputError(f"--output {output}: found a directory, expected a file such as {output / 'report.html'}")
    if output.absolute().parent.resolve() == bundle.directory.resolve():
        raise OutputError(
            f"--output {output}: a file inside of the bundle, whose manifest signs every file; choose another directory"
        )


def _write(output: Path, page: str) -> None:
    """Whole or not at all."""
    try:
        with tempfile.TemporaryDirectory(dir=output.absolute().parent, prefix=".report") as folder:
            whole = Path(folder, "report.html")
            whole.write_text(page, encoding="utf-8")
            whole.replace(output)
    except OSError as exc:
        raise OutputError(f"--output {output}: {exc.strerror}; choose another file") from exc
