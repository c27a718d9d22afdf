"""The spiking engine: what it refuses to open, and what it says about how it runs."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_models.bundle import Bundle, file_entries, write_bundle
from edge_models.engines import open_engine
from edge_models.engines.spiking import SpikingEngine, SpikingOptions, open_spiking
from edge_models.errors import BundleError, RuntimeMissingError, UnsupportedArtifactError
from edge_models.manifest import Artifact
from edge_models.selftest import run_probe
from edge_models.spiking.executor import SpikingAnswer, StreamExecutor
from edge_models.spiking.network import Network
from edge_models.spiking.reference import Reference
from edge_models.tensors import QuantParams
from tests.assets.spiking import CODINGS, network
from tests.factories.bundles import ASSETS
from tests.factories.spiking import COLLAPSED, SPIKING, make_spiking_bundle


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_spiking_bundle_passes_its_golden_inputs_without_tolerance(tmp_path: Path, coding: str, stream: bool) -> None:
    bundle = make_spiking_bundle(tmp_path / "b", network(1, coding=coding))  # type: ignore[arg-type]

    result = run_probe(bundle, SPIKING, open_engine(bundle, SPIKING, stream=stream))

    assert result.ok, result.reason
    assert result.worst_lsb == 0


def changed(bundle: Bundle, artifact: Artifact) -> Bundle:
    return dataclasses.replace(bundle, manifest=dataclasses.replace(bundle.manifest, artifacts={SPIKING: artifact}))


def test_a_manifest_that_says_otherwise_than_the_network_is_refused(tmp_path: Path) -> None:
    bundle = make_spiking_bundle(tmp_path / "b", network(1))
    artifact = bundle.artifact(SPIKING)
    logits, counts = artifact.outputs
    other_scale = dataclasses.replace(logits.spec, quant=QuantParams(scale=1.0, zero_point=0))
    wrong = {
        "has coding atf, the manifest says if": dataclasses.replace(artifact, coding="if"),
        "input of model.spiking.npz is uint8": dataclasses.replace(
            artifact, input=dataclasses.replace(artifact.input, shape=(9, 8, 3))
        ),
        "logits of model.spiking.npz is int32": dataclasses.replace(
            artifact, outputs=(dataclasses.replace(logits, spec=other_scale), counts)
        ),
        "gives logits and counts, the manifest says logits": dataclasses.replace(artifact, outputs=(logits,)),
    }

    for said, changed_artifact in wrong.items():
        with pytest.raises(UnsupportedArtifactError, match=said):
            open_engine(changed(bundle, changed_artifact), SPIKING)


@pytest.mark.parametrize("size", [0, 10, 200, -30])
def test_a_truncated_network_is_refused_at_load_with_the_reason(tmp_path: Path, size: int) -> None:
    bundle = make_spiking_bundle(tmp_path / "b", network(1))
    files = {name: bundle.read(name) for name in bundle.manifest.files}
    files["model.spiking.npz"] = files["model.spiking.npz"][:size]
    damaged = write_bundle(tmp_path / "c", bundle.manifest.with_files(file_entries(files)), files)

    with pytest.raises(BundleError) as caught:
        open_engine(damaged, SPIKING)

    assert "\n" not in str(caught.value)


def test_an_answer_in_real_values_is_scaled_by_the_readout(tmp_path: Path) -> None:
    net = network(1)
    bundle = make_spiking_bundle(tmp_path / "b", net)
    engine = open_engine(bundle, SPIKING)

    spec = engine.outputs[0].spec

    assert spec.quant is not None
    assert spec.quant.scale == pytest.approx(net.readout.scale / net.levels)
    assert engine.run(np.zeros(engine.input.shape, np.uint8))["logits"].dtype == np.int32


class CountingKernel:
    """The reference, which counts what it is asked and can be told apart from it."""

    name = "c"

    def __init__(self, net: Network) -> None:
        self.frames = 0
        self._reference = Reference(net)

    def run(self, x: NDArray[np.int32]) -> SpikingAnswer:
        self.frames += 1
        return self._reference.run(x)

    def run_delta(self, x: NDArray[np.int32], threshold: int = 0) -> SpikingAnswer:
        return self.run(x)

    def run_early(self, x: NDArray[np.int32], margin: int) -> SpikingAnswer:
        self.frames += 1
        return self._reference.run_early(x, margin)

    def reset(self) -> None: ...

    def close(self) -> None: ...


def opened(
    folder: Path, net: Network, *, kernel: bool = True, graph: bytes | None = None, **options: Any
) -> tuple[SpikingEngine, list[CountingKernel]]:
    """An engine, and the kernels that it has opened."""
    bundle = make_spiking_bundle(folder / "b", net, graph=graph)
    made: list[CountingKernel] = []

    def open_kernel(network: Network) -> StreamExecutor:
        if not kernel:
            raise RuntimeMissingError("no C kernel: nobody compiled it")
        made.append(CountingKernel(network))
        return made[-1]

    return open_spiking(bundle, SPIKING, SpikingOptions(clock_ns=lambda: 0, **options), open_kernel), made


def test_without_a_kernel_and_a_graph_numpy_runs_and_the_engine_says_why(tmp_path: Path) -> None:
    engine, _ = opened(tmp_path, network(1), kernel=False)

    assert (engine.executor, engine.note) == ("numpy", "no C kernel: nobody compiled it")
    assert engine.runtime == f"numpy {np.__version__}"


def test_a_stream_without_a_kernel_says_what_it_lacks(tmp_path: Path) -> None:
    engine, _ = opened(tmp_path, network(1), kernel=False, stream=True)

    assert (engine.executor, engine.note) == ("numpy", "no delta execution: no C kernel: nobody compiled it")


def test_a_stream_with_a_kernel_runs_changes_and_has_nothing_to_remark(tmp_path: Path) -> None:
    engine, _ = opened(tmp_path, network(1), stream=True)

    assert (engine.executor, engine.runtime.split()[0], engine.note) == ("c-delta", "spiking-kernel", "")


def test_a_frame_that_equals_the_one_before_is_not_run_in_a_stream(tmp_path: Path) -> None:
    engine, kernels = opened(tmp_path, network(1), stream=True)
    frame = np.full(engine.input.shape, 7, np.uint8)
    first = engine.run(frame)
    ran = kernels[0].frames

    again = [engine.run(frame.copy()) for _ in range(20)]

    assert kernels[0].frames == ran
    assert all(np.array_equal(answer["logits"], first["logits"]) for answer in again)


def test_each_still_is_run_for_itself(tmp_path: Path) -> None:
    engine, kernels = opened(tmp_path, network(1))
    frame = np.full(engine.input.shape, 7, np.uint8)

    for _ in range(20):
        engine.run(frame)

    assert kernels[0].frames == 20


def test_held_inputs_are_the_same_with_and_without_a_kernel(tmp_path: Path) -> None:
    net = network(1)
    first, _ = opened(tmp_path / "1", net, stream=True, hold=12)
    second, _ = opened(tmp_path / "2", net, stream=True, hold=12, kernel=False)
    rng = np.random.default_rng(0)
    scene = rng.integers(20, 230, first.input.shape)

    for _ in range(60):
        frame = (scene + rng.integers(-20, 20, first.input.shape)).astype(np.uint8)
        np.testing.assert_array_equal(first.run(frame)["logits"], second.run(frame)["logits"])


def test_plain_spikes_have_no_state_between_frames_and_run_as_stills(tmp_path: Path) -> None:
    engine, _ = opened(tmp_path, network(1, coding="if"), stream=True)

    assert engine.executor == "c"


def test_a_closed_engine_tells_no_executor(tmp_path: Path) -> None:
    engine, _ = opened(tmp_path, network(1))
    engine.close()

    with pytest.raises(RuntimeError, match="closed"):
        _ = engine.executor


def test_a_graph_that_is_no_graph_is_left_alone_and_named(tmp_path: Path) -> None:
    engine, _ = opened(tmp_path, network(1), graph=b"\x18\0\0\0TFL3" + bytes(400))

    engine.run(np.zeros(engine.input.shape, np.uint8))

    assert engine.executor == "c"
    assert "no collapsed graph" in engine.note


def test_a_collapsed_artifact_that_is_another_graph_is_refused(tmp_path: Path) -> None:
    graph = (ASSETS / "digits-float.tflite").read_bytes()
    bundle = make_spiking_bundle(tmp_path / "b", network(1), graph=graph)

    with pytest.raises(UnsupportedArtifactError, match=r"collapsed graph has outputs .*, expected logits and counts"):
        open_engine(bundle, COLLAPSED)


def early(folder: Path, margin: int, *, kernel: bool) -> SpikingEngine:
    bundle = make_spiking_bundle(folder, network(1, coding="if", steps=8))
    artifact = dataclasses.replace(bundle.artifact(SPIKING), exit_margin=margin)

    def open_kernel(net: Network) -> StreamExecutor:
        if not kernel:
            raise RuntimeMissingError("none")
        return CountingKernel(net)

    return open_spiking(changed(bundle, artifact), SPIKING, SpikingOptions(clock_ns=lambda: 0), open_kernel)


def test_with_an_exit_margin_a_frame_ends_when_it_is_decided_and_still_means_the_same(tmp_path: Path) -> None:
    whole, some = early(tmp_path / "1", 2**31 - 1, kernel=True), early(tmp_path / "2", 120, kernel=True)
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (50, *some.input.shape), dtype=np.uint8)

    full = np.stack([whole.run(frame)["logits"] for frame in frames]).astype(float)
    short = np.stack([some.run(frame)["logits"] for frame in frames]).astype(float)

    assert whole.mean_steps == 8
    assert 1 < some.mean_steps < 7
    assert (full.argmax(axis=1) == short.argmax(axis=1)).mean() > 0.8
    assert np.polyfit(full.ravel(), short.ravel(), 1)[0] == pytest.approx(1, abs=0.15)
    assert some.executor == "c-early"


def test_early_exit_gives_the_same_integers_without_a_kernel(tmp_path: Path) -> None:
    first, second = early(tmp_path / "1", 80, kernel=True), early(tmp_path / "2", 80, kernel=False)
    rng = np.random.default_rng(0)

    for frame in rng.integers(0, 256, (30, *first.input.shape), dtype=np.uint8):
        np.testing.assert_array_equal(first.run(frame)["logits"], second.run(frame)["logits"])
        np.testing.assert_array_equal(first.run(frame)["counts"], second.run(frame)["counts"])
    assert second.runtime.startswith("numpy ")
