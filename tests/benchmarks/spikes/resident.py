"""Prints the resident memory of this process in MB after it has run an artifact; imports what a worker has to.

    python -m tests.benchmarks.spikes.resident BUNDLE ARTIFACT stream|stills alone|complete

``alone`` is a bundle without the collapsed graph of a spiking artifact, so that no TFLite runtime is loaded for it.
Without arguments it runs nothing: the bare interpreter.
"""

from __future__ import annotations

import sys

FRAMES = 100


def main(arguments: list[str]) -> None:
    """Run, then print."""
    if arguments:
        directory, artifact, source, forms = arguments
        _run(directory, artifact, stream=source == "stream", is_alone=forms == "alone")
    with open("/proc/self/status", encoding="utf-8") as status:  # noqa: PTH123 - pathlib would be counted
        kilobytes = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    print(kilobytes / 1024)


def _run(directory: str, artifact: str, *, stream: bool, is_alone: bool) -> None:
    from dataclasses import replace
    from pathlib import Path

    import numpy as np

    from edge_models.bundle import open_bundle
    from edge_models.engines.registry import open_engine

    bundle = open_bundle(Path(directory))
    if is_alone:
        alone = replace(bundle.artifact(artifact), collapsed=None)
        bundle = replace(bundle, manifest=replace(bundle.manifest, artifacts={artifact: alone}))
    engine = open_engine(bundle, artifact, stream=stream)
    codes = np.zeros(engine.input.shape, engine.input.dtype)
    for frame in range(FRAMES):
        codes.reshape(-1)[frame] = 100
        engine.run(codes)


if __name__ == "__main__":
    main(sys.argv[1:])
