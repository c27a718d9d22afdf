"""Bundles with a spiking artifact, from the random networks of ``tests.assets.spiking``.

bundle = make_spiking_bundle(tmp_path / "bundle", network(1))
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from edge_models.bundle import Bundle, file_entries, write_bundle
from edge_models.engines.spiking import spiking_outputs
from edge_models.manifest import Artifact, InputSpec, Manifest, Probe, Requires, ScaleStep, Tolerance
from edge_models.npz import write_npz
from edge_models.selftest import output_key
from edge_models.spiking.archive import to_npz
from edge_models.spiking.network import Network
from edge_models.spiking.reference import Reference
from edge_models.tensors import TensorSpec
from tests.assets.spiking import frames

SPIKING, COLLAPSED = "spiking", "collapsed"
COLLAPSED_FILE = "model.collapsed.tflite"
COUNT = 16


def make_spiking_bundle(directory: Path, network: Network, *, graph: bytes | None = None) -> Bundle:
    """Write a bundle of one spiking network.

    Args:
        directory: Where to.
        network: Its input has three axes.
        graph: The same function as a collapsed graph; the artifact ``collapsed`` then comes along.
    """
    network = replace(network, input=replace(network.input, shape=network.input_shape))
    files = {"model.spiking.npz": to_npz(network), "spiking-probe.npz": _probe(network)}
    spiking = Artifact(
        engine="spiking",
        file="model.spiking.npz",
        coding=network.coding,
        requires=Requires(runtimes=("numpy",)),
        input=network.input,
        outputs=spiking_outputs(network),
        probe=Probe(file="spiking-probe.npz", count=COUNT),
        tolerance=Tolerance(exact_lsb=0, delegate_lsb=0),
    )
    artifacts = {SPIKING: spiking}
    if graph is not None:
        files[COLLAPSED_FILE] = graph
        requires = Requires(runtimes=("ai-edge-litert", "tflite-runtime"))
        artifacts[COLLAPSED] = replace(spiking, file=COLLAPSED_FILE, requires=requires)
        artifacts[SPIKING] = replace(spiking, collapsed=COLLAPSED)
    manifest = Manifest(
        format_version=1,
        model="spikes",
        version="1.0",
        serial=1,
        task="classification",
        labels=tuple(f"c{i}" for i in range(network.readout.shape[2])),
        input=InputSpec(
            kind="image",
            source=TensorSpec(shape=network.input_shape, dtype="uint8"),
            preprocess=(ScaleStep(factor=1 / 255),),
        ),
        files=file_entries(files),
        artifacts=artifacts,
    )
    return write_bundle(directory, manifest, files)


def _probe(network: Network) -> bytes:
    x = frames(network, 77, COUNT)
    logits, counts = Reference(network).run_batch(x)
    zero_point = 0 if network.input.quant is None else network.input.quant.zero_point
    codes = (x + np.int32(zero_point)).astype(network.input.dtype)
    return write_npz({"x": codes, output_key("logits"): logits, output_key("counts"): counts})
