"""Files whose header lies: what passes the checks, the kernel runs like the reference, and touches no other memory."""

from __future__ import annotations

import ctypes
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edge_models.errors import BundleError
from edge_models.npz import read_npz, write_npz
from edge_models.spiking.archive import from_npz, to_npz
from edge_models.spiking.installed import open_library
from tests.unit.edge_models.spiking_kernel.comparison import CODINGS, assert_same
from tests.unit.edge_models.spiking_kernel.graphs import random_graph

VALUES = (0, 1, 2, 3, 4, 7, 8, 15, 16, 17, 255, 1 << 15, 1 << 22, (1 << 22) + 1, 1 << 24, 1 << 31, -1)


def hostile_file(seed: int) -> bytes:
    """A right file in which a few numbers of the header are others; weights and constants may be of other lengths."""
    rng = np.random.default_rng(seed)
    coding, steps = CODINGS[seed % len(CODINGS)]
    arrays: dict[str, Any] = read_npz(to_npz(random_graph(seed // 8, coding=coding, steps=steps)), max_bytes=1 << 24)
    header = json.loads(arrays["header"].tobytes())
    for _ in range(rng.integers(1, 4)):
        places = list(_numbers(header))
        holder, key = places[rng.integers(len(places))]
        near = holder[key] + int(rng.integers(-2, 3)) if isinstance(holder[key], int) else holder[key]
        holder[key] = near if rng.integers(2) else VALUES[rng.integers(len(VALUES))]
    for name in ("weight", "constant"):  # as long as the lie asks for, so that more than the length is looked at
        arrays[name] = np.resize(arrays[name], min(_asked(header, name), 1 << 22))
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    return write_npz(arrays)


def run_hostile(library: ctypes.CDLL, count: int) -> int:
    """Load ``count`` files and compare those that pass the checks; returns how many those are."""
    passed = 0
    for seed in range(count):
        try:
            network = from_npz(hostile_file(seed))
        except BundleError:
            continue
        assert_same(network, library, seed=seed, is_portable=seed % 4 == 0)
        passed += 1
    return passed


def _numbers(part: Any) -> Iterator[tuple[Any, Any]]:
    """Where numbers are: (list or object, index or key)."""
    for key, value in list(enumerate(part) if isinstance(part, list) else part.items()):
        if isinstance(value, list | dict):
            yield from _numbers(value)
        elif isinstance(value, int | float):
            yield part, key


def _asked(header: Any, name: str) -> int:
    """How many values the header asks for."""
    total = 0
    for node in header["nodes"]:
        if node["node"] == "pool":
            continue
        if name == "weight":
            total += sum(int(np.prod([max(axis, 0) for axis in part["shape"]])) for part in node["synapses"])
        else:
            total += max(node["shape"][2], 0) * (1 if node["node"] == "readout" else 2)
    return max(total, 1)


if __name__ == "__main__":
    print(f"{run_hostile(open_library(Path(sys.argv[1])), int(sys.argv[2]))} of {sys.argv[2]} pass, and are the same")
