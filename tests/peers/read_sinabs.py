"""Reads net.nir with sinabs, as docs say, and writes the logits after every step; runs in .venv-peers.

    python -m tests.peers.read_sinabs FOLDER

FOLDER holds net.nir and frames.npy, float32 (n, ...) as the network's input is; logits.npy is (n, steps, classes).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import nir
import numpy as np
import sinabs.layers
import sinabs.nir
import torch
from numpy.typing import NDArray
from sinabs.activation import SingleSpike


def main(folder: Path) -> None:
    graph = nir.read(folder / "net.nir")
    frames = np.load(folder / "frames.npy")
    steps = int(graph.metadata["steps"])
    logits = [_run(graph, frame, steps) for frame in frames]
    np.save(folder / "logits.npy", np.stack(logits))


def _run(graph: nir.NIRGraph, frame: NDArray[np.float32], steps: int) -> NDArray[np.float32]:
    network = sinabs.nir.from_nir(graph, batch_size=1)
    starts = {name: node.metadata["v_initial"] for name, node in graph.nodes.items() if isinstance(node, nir.IF)}
    for name, layer in network.named_modules():
        if isinstance(layer, sinabs.layers.IAFSqueeze):
            layer.spike_fn = SingleSpike
            layer.min_v_mem = None
            start = torch.from_numpy(starts[name.rpartition(".")[2]])
            layer.init_state_with_shape((1, *start.shape))
            layer.v_mem.data += start
    with torch.inference_mode():
        outputs = [network(torch.from_numpy(frame)[None])[0] for _ in range(steps)]
    logits: NDArray[np.float32] = torch.stack([_tensor(output) for output in outputs]).cumsum(0).numpy()
    return logits.reshape(steps, -1)


def _tensor(output: Any) -> torch.Tensor:
    return output if isinstance(output, torch.Tensor) else output[0]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
