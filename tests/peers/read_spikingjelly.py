"""Reads net.nir with SpikingJelly and writes the logits after every step; runs in .venv-peers-spikingjelly.

    python -m tests.peers.read_spikingjelly FOLDER

FOLDER holds net.nir and frames.npy, float32 (n, ...) as the network's input is; logits.npy is (n, steps, classes).
"""

from __future__ import annotations

import sys
from pathlib import Path

import nir
import numpy as np
import torch
from numpy.typing import NDArray
from spikingjelly.activation_based.nir_exchange import import_from_nir


def main(folder: Path) -> None:
    graph = nir.read(folder / "net.nir")
    frames = np.load(folder / "frames.npy")
    steps = int(graph.metadata["steps"])
    network = import_from_nir(graph)
    logits = [_run(network, frame, steps) for frame in frames]
    np.save(folder / "logits.npy", np.stack(logits))


def _run(network: torch.nn.Module, frame: NDArray[np.float32], steps: int) -> NDArray[np.float32]:
    state, outputs = None, []
    with torch.inference_mode():
        for _ in range(steps):
            output, state = network(torch.from_numpy(frame)[None], state)  # without the state, every step is the first
            outputs.append(output[0])
    logits: NDArray[np.float32] = torch.stack(outputs).cumsum(0).numpy()
    return logits.reshape(steps, -1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
