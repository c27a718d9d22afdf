"""What a spiking artifact weighs: resident memory beyond the bare interpreter's, and bytes on disk."""

from __future__ import annotations

import os
import subprocess
import sys

from edge_models.bundle import Bundle
from tests.benchmarks.conversion.place import ROOT
from tests.benchmarks.harness import Row, Target
from tests.benchmarks.spikes.nets import COLLAPSED, INT8, SPIKING

MOST_MB = 25.0
WAYS = {
    "RSS, spiking, stream": (SPIKING, "stream", "alone"),
    "RSS, spiking, stills": (SPIKING, "stills", "alone"),
    "RSS, spiking, stills by the collapsed graph": (SPIKING, "stills", "complete"),
    "RSS, int8 TFLite": (INT8, "stills", "complete"),
}
ASKED = tuple(WAYS)[:2]
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def weighed(bundle: Bundle) -> tuple[list[Row], list[Target]]:
    """Lines of memory and sizes, and what was asked of them."""
    bare_mb = _resident_mb()
    rows = [Row(name="RSS, bare interpreter", values={"MB": bare_mb})]
    beyond_mb = {}
    for way, arguments in WAYS.items():
        total_mb = _resident_mb(str(bundle.directory), *arguments)
        beyond_mb[way] = round(total_mb - bare_mb, 1)
        rows.append(Row(name=way, values={"MB": total_mb, "beyond bare MB": beyond_mb[way]}))
    sizes = {name: _size(bundle, name) for name in (INT8, SPIKING, COLLAPSED)}
    rows += [
        Row(name=f"file of artifact {name}", values={"bytes": size, "of int8": round(size / sizes[INT8], 3)})
        for name, size in sizes.items()
    ]
    return rows, [
        *(
            Target(name=f"{way}: MB beyond the bare interpreter", value=beyond_mb[way], op="<=", target=MOST_MB)
            for way in ASKED
        ),
        Target(name="bytes of model.spiking.npz beside int8 TFLite", value=sizes[SPIKING], op="<=", target=sizes[INT8]),
    ]


def _size(bundle: Bundle, name: str) -> int:
    return bundle.manifest.files[bundle.artifact(name).file].size


def _resident_mb(*arguments: str) -> float:
    answer = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.spikes.resident", *arguments],
        cwd=ROOT,
        env=os.environ | _ONE_THREAD,
        capture_output=True,
        text=True,
        check=True,
    )
    return round(float(answer.stdout.split()[-1]), 1)
