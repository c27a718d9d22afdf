"""One network, two files: both are artifacts, and both answer alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from converter.artifact import probe_npz, with_tolerance
from converter.errors import ConversionError
from converter.spiking.artifact import check_equal, spiking_artifacts
from converter.spiking.collapsed import collapsed_graph
from converter.spiking.input_codes import input_spec
from converter.spiking.integers import to_network
from edge_models.manifest import Tolerance
from edge_models.spiking.network import Coding, Network
from tests.unit.converter.spiking.nets import float_network, images

INPUTS = images(3, 40)


def network(seed: int = 3, coding: Coding = "atf") -> Network:
    return to_network(float_network(seed), coding=coding, steps=4, input=input_spec(INPUTS))


def test_both_forms_are_artifacts_of_one_engine_and_one_border() -> None:
    spiking, collapsed = spiking_artifacts(network(), collapsed_graph(network()))

    assert (spiking.artifact.engine, collapsed.artifact.engine) == ("spiking", "spiking")
    assert (spiking.artifact.file, collapsed.artifact.file) == ("model.spiking.npz", "model.collapsed.tflite")
    assert (spiking.artifact.collapsed, collapsed.artifact.collapsed) == ("collapsed", None)
    assert spiking.artifact.requires.runtimes == ("numpy",)
    assert set(collapsed.artifact.requires.runtimes) == {"ai-edge-litert", "tflite-runtime"}
    assert collapsed.artifact.requires.ops["CONV_2D"] >= 1
    assert spiking.artifact.input == collapsed.artifact.input == network().input
    assert spiking.artifact.outputs == collapsed.artifact.outputs
    assert [(one.role, one.spec.dtype) for one in spiking.artifact.outputs] == [
        ("logits", "int32"),
        ("embedding", "int32"),
    ]


def test_without_a_graph_there_is_one_artifact() -> None:
    (spiking,) = spiking_artifacts(network(coding="if"), None)

    assert (spiking.artifact.coding, spiking.artifact.collapsed) == ("if", None)


def test_both_forms_answer_alike() -> None:
    check_equal(spiking_artifacts(network(), collapsed_graph(network())), INPUTS)


def test_forms_that_differ_are_never_written() -> None:
    spiking, _ = spiking_artifacts(network(), collapsed_graph(network()))
    _, other = spiking_artifacts(network(), collapsed_graph(replace(network(), steps=3)))

    with pytest.raises(ConversionError, match="spiking and collapsed differ"):
        check_equal([spiking, other], INPUTS)


def test_a_device_may_not_differ_from_the_golden_outputs() -> None:
    runnable = spiking_artifacts(network(), None)[0]
    probe = probe_npz(runnable, INPUTS, np.arange(len(INPUTS), dtype=np.int64) % 5)

    assert with_tolerance(runnable, probe).artifact.tolerance == Tolerance(exact_lsb=0, delegate_lsb=0)


def test_answers_are_real_values_of_the_network() -> None:
    runnable = spiking_artifacts(network(), None)[0]

    given = runnable.answers(INPUTS)

    assert given.predicted is not None
    assert set(given.predicted.tolist()) <= set(range(5))
    assert np.isfinite(given.signals).all()
