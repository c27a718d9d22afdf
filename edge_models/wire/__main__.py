"""``python -m edge_models.wire``: write asyncapi.yaml and the JSON Schemas again from the message classes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edge_models.wire.asyncapi import SCHEMA_DIRECTORY, generated_files


def main(argv: list[str] | None = None) -> int:
    """Write or check the generated files.

    Returns:
        0 when they are as generated now, 1 when ``--check`` found a difference.
    """
    parser = argparse.ArgumentParser(prog="python -m edge_models.wire", description=__doc__)
    parser.add_argument("--directory", type=Path, default=Path(__file__).parent, help="where they lie (default: here)")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file differs")
    arguments = parser.parse_args(argv)
    expected = {arguments.directory / path: text for path, text in generated_files().items()}
    surplus = set((arguments.directory / SCHEMA_DIRECTORY).glob("*.json")) - set(expected)
    stale = [path for path, text in expected.items() if not path.is_file() or path.read_text("utf-8") != text]
    if not arguments.check:
        for path in surplus:
            path.unlink()
        for path in stale:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(expected[path], "utf-8")
    for path in sorted([*stale, *surplus]):
        print(f"{'differs' if arguments.check else 'wrote' if path in expected else 'removed'}: {path}")
    return 1 if arguments.check and (stale or surplus) else 0


if __name__ == "__main__":
    sys.exit(main())
