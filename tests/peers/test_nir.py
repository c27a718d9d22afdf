"""Files of `export-nir` read by the tools that they are for, each in an environment of its own, logits step by step."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from converter.spiking.nir_graph import Dialect, nir_file, nir_graph
from deploy.bootstrap import ROOT, Environment
from edge_models.spiking.network import Network
from edge_models.spiking.reference import Reference
from tests.assets.spiking import Kind, frames, network
from tests.peers.hard_reset import hard_reset_logits
from tests.runner.steps import PEERS, PEERS_SPIKINGJELLY

pytestmark = [pytest.mark.peers, pytest.mark.slow]

TIMEOUT_S = 240.0
FRAMES = 8


@pytest.mark.parametrize("kind", ["conv", "conv1d", "dense", "depthwise", "benchmark"])
def test_sinabs_gives_our_logits_after_every_step(kind: Kind, tmp_path: Path) -> None:
    exported = network(1, coding="if", steps=6, kind=kind)
    x = frames(exported, 2, FRAMES)
    expected = np.stack([Reference(exported).trace(frame)[-1].reshape(exported.steps, -1) for frame in x])

    found = _read(PEERS, "read_sinabs", exported, "sinabs-soft", x, tmp_path)

    assert np.ptp(expected) > 0
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", ["conv1d", "dense", "depthwise", "residual", "benchmark"])
def test_spikingjelly_gives_the_logits_of_hard_reset_after_every_step(kind: Kind, tmp_path: Path) -> None:
    exported = network(1, coding="if", steps=6, kind=kind)
    x = frames(exported, 2, FRAMES)
    expected = hard_reset_logits(exported, x)

    found = _read(PEERS_SPIKINGJELLY, "read_spikingjelly", exported, "spikingjelly-hard", x, tmp_path)

    assert np.ptp(expected) > 0
    np.testing.assert_allclose(found, expected, atol=0.01)


def _read(
    environment: Environment, reader: str, exported: Network, dialect: Dialect, x: NDArray[np.int32], folder: Path
) -> NDArray[np.float32]:
    if not environment.python.exists():
        pytest.skip(f"no {environment.venv.name}; python3 -m tests peers makes it")
    graph = nir_graph(exported, dialect)
    (folder / "net.nir").write_bytes(nir_file(graph))
    shape = tuple(graph.nodes["input"].input_type["input"].tolist())
    np.save(folder / "frames.npy", x.transpose(0, 3, 1, 2).reshape(len(x), *shape).astype(np.float32))
    command = [str(environment.python), "-W", "ignore", "-m", f"tests.peers.{reader}", str(folder)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert answer.returncode == 0, answer.stderr[-2000:]
    logits: NDArray[np.float32] = np.load(folder / "logits.npy")
    return logits
