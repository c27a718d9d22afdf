"""Spiking artifacts on whichever runtime is installed: every executor gives every bit that the reference gives."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_models.bundle import Bundle
from edge_models.engines import available_runtimes, choose_artifact, open_engine
from edge_models.engines.registry import TFLITE_RUNTIMES
from edge_models.engines.tflite import find_runtime
from edge_models.manifest import Requires
from edge_models.selftest import run_probe
from edge_models.spiking.network import Network
from edge_models.spiking.reference import Reference
from tests.assets.make_graphs import FOLDER, fixture_networks
from tests.assets.spiking import frames
from tests.factories.spiking import COLLAPSED, COLLAPSED_FILE, SPIKING, make_spiking_bundle

pytestmark = pytest.mark.runtime

GRAPHS = tuple(fixture_networks())


@pytest.fixture(params=GRAPHS)
def network(request: pytest.FixtureRequest) -> Network:
    name: str = request.param
    return fixture_networks()[name]


@pytest.fixture
def bundle(request: pytest.FixtureRequest, network: Network, tmp_path: Path) -> Bundle:
    name = next(name for name, found in fixture_networks().items() if found.input_shape == network.input_shape)
    return make_spiking_bundle(tmp_path / "bundle", network, graph=(FOLDER / name).read_bytes())


def codes_of(network: Network, x: NDArray[np.int32]) -> NDArray[np.generic]:
    quant = network.input.quant
    assert quant is not None
    return (x + np.int32(quant.zero_point)).astype(network.input.dtype)


@pytest.mark.parametrize("name", [SPIKING, COLLAPSED])
@pytest.mark.parametrize("delegates", [True, False])
@pytest.mark.parametrize("stream", [True, False])
def test_both_artifacts_pass_their_golden_inputs_without_tolerance(
    bundle: Bundle, name: str, delegates: bool, stream: bool
) -> None:
    engine = open_engine(bundle, name, delegates=delegates, stream=stream)

    result = run_probe(bundle, name, engine, delegates=delegates)

    assert result.ok, result.reason
    assert (result.worst_lsb, result.top1_agreement) == (0, 1.0)


@pytest.mark.parametrize("name", [SPIKING, COLLAPSED])
@pytest.mark.parametrize("delegates", [True, False])
def test_stills_are_answered_as_by_the_reference(network: Network, bundle: Bundle, name: str, delegates: bool) -> None:
    x = frames(network, 9, 100)
    logits, counts = Reference(network).run_batch(x)
    engine = open_engine(bundle, name, delegates=delegates)

    answers = [engine.run(frame) for frame in codes_of(network, x)]

    np.testing.assert_array_equal([answer["logits"] for answer in answers], logits)
    np.testing.assert_array_equal([answer["counts"] for answer in answers], counts)


def test_a_stream_is_answered_as_by_the_reference_in_every_frame(network: Network, bundle: Bundle) -> None:
    rng = np.random.default_rng(2)
    x = np.repeat(frames(network, 9, 10), 30, axis=0)
    moving = rng.random(x.shape) < np.linspace(0, 0.3, len(x))[:, None, None, None]
    x = np.where(moving, frames(network, 10, len(x)), x).astype(np.int32)
    logits, counts = Reference(network).run_batch(x)
    engine = open_engine(bundle, SPIKING, stream=True)

    answers = [engine.run(frame) for frame in codes_of(network, x)]

    np.testing.assert_array_equal([answer["logits"] for answer in answers], logits)
    np.testing.assert_array_equal([answer["counts"] for answer in answers], counts)


def test_a_collapsed_artifact_runs_on_the_tflite_runtime_that_is_here(bundle: Bundle) -> None:
    engine = open_engine(bundle, COLLAPSED)

    assert (engine.executor, engine.runtime, engine.note) == ("collapsed", find_runtime().label, "")


def test_the_spiking_artifact_is_chosen_before_its_collapsed_form(bundle: Bundle) -> None:
    assert choose_artifact(bundle.manifest, available_runtimes()) == SPIKING


def test_without_the_graphs_file_the_spiking_artifact_runs_and_says_what_is_missing(bundle: Bundle) -> None:
    (bundle.directory / COLLAPSED_FILE).unlink()

    engine = open_engine(bundle, SPIKING)

    assert run_probe(bundle, SPIKING, engine).ok
    assert f"no collapsed graph: {COLLAPSED_FILE} is not on this machine" in engine.note
    assert engine.executor in ("c", "numpy")


def test_a_damaged_graph_is_not_run_and_said_to_be_damaged(bundle: Bundle) -> None:
    path = bundle.directory / COLLAPSED_FILE
    path.write_bytes(path.read_bytes()[:-1] + b"?")

    engine = open_engine(bundle, SPIKING)

    assert run_probe(bundle, SPIKING, engine).ok
    assert "sha256" in engine.note


def test_a_graph_whose_operators_are_too_new_is_left_alone(bundle: Bundle) -> None:
    requires = Requires(runtimes=TFLITE_RUNTIMES, ops={"CONV_2D": 99, "CUSTOM:Nobody": 1})
    artifacts = dict(bundle.manifest.artifacts)
    artifacts[COLLAPSED] = dataclasses.replace(artifacts[COLLAPSED], requires=requires)
    newer = dataclasses.replace(bundle, manifest=dataclasses.replace(bundle.manifest, artifacts=artifacts))

    engine = open_engine(newer, SPIKING)

    assert run_probe(newer, SPIKING, engine).ok
    assert "custom operator Nobody" in engine.note
