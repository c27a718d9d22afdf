"""Compile the C kernel of spiking networks into this installation: `python -m edge_models.spiking.build`.

Installing the package does the same where a C compiler is; this is for one that came later.
"""

from __future__ import annotations

import argparse
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from edge_models.errors import RuntimeMissingError
from edge_models.spiking.compile import SOURCE, compile_kernel


def installed_path() -> Path:
    """Where this Python looks for the kernel, and where an editable installation builds it."""
    return SOURCE.with_name("_kernel" + str(sysconfig.get_config_var("EXT_SUFFIX")))


def main(argv: Sequence[str] | None = None) -> int:
    """Compile the kernel; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m edge_models.spiking.build", description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=installed_path(), help="file to write (%(default)s)")
    output: Path = parser.parse_args(argv).output
    try:
        compile_kernel(output)
    except (RuntimeMissingError, OSError) as exc:
        sys.stderr.write(f"error: {' '.join(str(exc).split())}\n")
        return 2
    sys.stdout.write(f"{output}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
