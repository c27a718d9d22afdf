"""The artifacts ``spiking`` and ``collapsed`` of one network: one function, two files, no tolerance between them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from converter.artifact import Runnable, golden_count
from converter.errors import ConversionError
from converter.quantize.graph import read_graph, runtimes_for
from edge_models.bundle import file_entries, write_bundle
from edge_models.engines import open_engine
from edge_models.engines.port import Engine
from edge_models.engines.spiking import spiking_outputs
from edge_models.manifest import FORMAT_VERSION, Artifact, InputSpec, Manifest, Probe, Requires
from edge_models.quantize import quantize
from edge_models.spiking.archive import to_npz
from edge_models.spiking.network import Network

SPIKING, COLLAPSED = "spiking", "collapsed"
SPIKING_FILE, COLLAPSED_FILE = "model.spiking.npz", "model.collapsed.tflite"
_DRAFT = "draft"


def spiking_artifacts(network: Network, graph: bytes | None, exit_margin: int | None = None) -> tuple[Runnable, ...]:
    """What a bundle gets of a network.

    Args:
        network: In integers.
        graph: The collapsed form, .tflite; None where there is none.
        exit_margin: See ``Artifact.exit_margin``; only of a network with coding ``if``.

    Raises:
        NetworkError: The network cannot be executed exactly.
        EngineError: A file does not run here.
    """
    needs = Requires(runtimes=("numpy",))
    collapsed = None if graph is None else COLLAPSED
    artifact = replace(_artifact(SPIKING, network, needs, collapsed), exit_margin=exit_margin)
    made = [_runnable(SPIKING, artifact, to_npz(network))]
    if graph is not None:
        found = read_graph(graph)
        needs = Requires(runtimes=runtimes_for(found), ops=found.ops)
        made.append(_runnable(COLLAPSED, _artifact(COLLAPSED, network, needs, None), graph))
    return tuple(made)


def check_equal(runnables: Sequence[Runnable], inputs: NDArray[np.float32]) -> None:
    """Have all forms answer the same preprocessed inputs (n, ...).

    Raises:
        ConversionError: They differ.
    """
    first, *others = runnables
    for x in inputs:
        codes = quantize(x.reshape(first.artifact.input.shape), first.artifact.input)
        expected = first.engine.run(codes)
        for other in others:
            given = other.engine.run(codes)
            if any(not np.array_equal(given[name], expected[name]) for name in expected):
                raise ConversionError(
                    f"artifacts {first.name} and {other.name} differ, expected the same integers; build with "
                    "spiking.collapsed=false, and report it with the recipe"
                )


def _runnable(name: str, artifact: Artifact, data: bytes) -> Runnable:
    engine = _opened(artifact, data, delegates=True)
    return Runnable(name=name, artifact=artifact, engine=engine, data=data, opened=_opened)


def _artifact(name: str, network: Network, requires: Requires, collapsed: str | None) -> Artifact:
    return Artifact(
        engine="spiking",
        file=SPIKING_FILE if name == SPIKING else COLLAPSED_FILE,
        coding=network.coding,
        collapsed=collapsed,
        requires=requires,
        input=network.input,
        outputs=spiking_outputs(network),
        profile=f"{name}-profile.npz",
        probe=Probe(file=f"{name}-probe.npz", count=golden_count(network.input)),
    )


def _opened(artifact: Artifact, data: bytes, *, delegates: bool) -> Engine:
    """As a device opens it, from a bundle of this one file: each form answers for itself."""
    alone = replace(artifact, collapsed=None, profile=None)
    files = {alone.file: data, alone.probe.file: b""}
    manifest = Manifest(
        format_version=FORMAT_VERSION,
        model=_DRAFT,
        version="0",
        serial=1,
        task="classification",
        input=InputSpec(kind="rows", source=alone.input),
        files=file_entries(files),
        artifacts={_DRAFT: alone},
    )
    with tempfile.TemporaryDirectory(prefix="driftline-") as folder:
        bundle = write_bundle(Path(folder, _DRAFT), manifest, files)
        return open_engine(bundle, _DRAFT, delegates=delegates)
