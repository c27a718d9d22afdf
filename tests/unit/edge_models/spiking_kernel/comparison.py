"""One network in every way of execution, held against the reference."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import numpy as np

from edge_models.spiking.installed import open_library
from edge_models.spiking.kernel import Kernel
from edge_models.spiking.network import Coding, Network
from edge_models.spiking.reference import Reference
from tests.assets import spiking
from tests.unit.edge_models.spiking_kernel.graphs import random_graph

CODINGS: tuple[tuple[Coding, int], ...] = (("atf", 1), ("atf", 5), ("atf", 60), ("radix", 3), ("if", 3), ("atf", 255))


def assert_same(network: Network, library: ctypes.CDLL, *, seed: int, is_portable: bool) -> None:
    """Stills, steps and a stream of four frames: new, the same, one place changed, all changed."""
    kernel, reference = Kernel(network, library, is_portable=is_portable), Reference(network)
    frames = spiking.frames(network, seed, 4)
    frames[1] = frames[0]
    frames[2] = frames[0]
    frames[2, 0, 0] = frames[3, 0, 0]
    for frame in frames:
        expected = reference.run(frame)
        answers = [kernel.run(frame), kernel.run_delta(frame)]
        if network.coding != "atf":
            answers.append(kernel.run_stepwise(frame))
        for answer in answers:
            np.testing.assert_array_equal(answer.logits, expected.logits)
            np.testing.assert_array_equal(answer.counts, expected.counts)
    kernel.close()


def main(path: Path, graphs: int) -> None:
    """Compare many graphs with the kernel in a file, in a process that can be given sanitizers."""
    library = open_library(path)
    for seed in range(graphs):
        coding, steps = CODINGS[seed % len(CODINGS)]
        network = random_graph(seed, coding=coding, steps=steps)
        assert_same(network, library, seed=seed, is_portable=seed % 4 == 0)
    print(f"{graphs} graphs are the same")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
