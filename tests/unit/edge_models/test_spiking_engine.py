"""The spiking engine: what it refuses to open, and what it says about how it runs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from edge_models.bundle import Bundle, file_entries, write_bundle
from edge_models.engines import open_engine
from edge_models.errors import BundleError, UnsupportedArtifactError
from edge_models.manifest import Artifact
from edge_models.selftest import run_probe
from edge_models.tensors import QuantParams
from tests.assets.spiking import CODINGS, network
from tests.factories.spiking import SPIKING, make_spiking_bundle


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
