"""Runs the golden inputs of bundles on the runtime of this environment, XNNPACK off and on, and prints JSON lines.

A program of its own, because one process has one runtime. It needs edge_models, numpy and a runtime only.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from edge_models.bundle import open_bundle
from edge_models.engines import open_engine
from edge_models.errors import EdgeModelsError
from edge_models.selftest import run_probe


def probed(directory: Path) -> Iterator[dict[str, object]]:
    """One line for each artifact and setting."""
    bundle = open_bundle(directory)
    for artifact in bundle.manifest.artifacts:
        for delegates in (False, True):
            line: dict[str, object] = {"bundle": directory.name, "delegates": delegates}
            try:
                engine = open_engine(bundle, artifact, delegates=delegates)
                result = run_probe(bundle, artifact, engine, delegates=delegates)
                line |= {"runtime": engine.runtime, "ok": result.ok, "worst_lsb": result.worst_lsb}
                line["reason"] = result.reason
                engine.close()
            except EdgeModelsError as exc:
                line |= {"runtime": "none", "ok": False, "worst_lsb": 0, "reason": str(exc)}
            yield line


def main(paths: Sequence[str]) -> None:
    """Print what every bundle gives."""
    for path in paths:
        for line in probed(Path(path)):
            sys.stdout.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
