"""Shipped recipes do with the real data what their comments promise."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from converter.preparation import Prepared, prepare
from converter.recipe import load_recipe
from converter.training.networks import check_network
from edge_models.bundle import open_bundle
from tests.architecture.tree import ROOT
from tests.integration.converter.program import answer

DATA = Path(os.environ.get("DRIFTLINE_DATA") or ROOT.parent / "shared" / "data").absolute()
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no real data in {DATA}; set DRIFTLINE_DATA to their folder"),
]
FEW_PICTURES = r"dataset.pattern='^(?:train(?=/[^/]+/000)|(?P<part>test)(?=/[^/]+/000))/(?P<label>[^/]+)/'"
# Shape and dtype of a frame as the recipe's DATA and FRAMES files have them, shape of the model's input, classes.
RECIPES = {
    "cifar10": ((32, 32, 3), "uint8", (32, 32, 3), 10),
    "cwru": ((1,), "float32", (512, 1), 7),
    "fashion_mnist": ((28, 28), "uint8", (28, 28, 1), 10),
    "fsdd": ((6400,), "float32", (39, 13), 10),
    "kws": ((8000,), "float32", (49, 10), 10),
    "mnist5k": ((28, 28), "uint8", (28, 28, 1), 10),
    "skab": ((4,), "float32", (30, 4), 2),
    "weather": ((8,), "float32", (8,), 2),
}


def prepared(name: str) -> Prepared:
    overrides = [FEW_PICTURES] if name == "cifar10" else []
    return prepare(load_recipe(name, overrides, {"DRIFTLINE_DATA": str(DATA)}))


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_makes_inputs_for_its_network_and_cuts_no_group(name: str) -> None:
    frame, dtype, shape, classes = RECIPES[name]

    found = prepared(name)

    data, parts = found.data, found.parts
    assert (found.spec.source.shape, found.spec.source.dtype) == (frame, dtype)
    assert (found.preprocess.output_shape, len(data.labels)) == (shape, classes)
    check_network(load_recipe(name, (), {"DRIFTLINE_DATA": str(DATA)}).network, shape)
    assert set(data.y[parts.test]) == set(range(classes))
    if data.group is not None:
        members = [set(data.group[part]) for part in (parts.train, parts.profile, parts.test)]
        assert sum(map(len, members)) == len(set.union(*members))


def test_fashion_mnist_is_tested_on_the_rows_from_50000_on() -> None:
    found = prepared("fashion_mnist")

    assert np.array_equal(found.parts.test, np.arange(50_000, 59_985))


def test_a_speaker_who_is_left_out_is_heard_in_the_test_only() -> None:
    found = prepared("fsdd")

    assert found.data.group is not None
    speakers = np.array([found.data.groups[group].partition("_")[0] for group in found.data.group])
    assert set(speakers[found.parts.test]) == {"nicolas"}
    assert "nicolas" not in set(speakers[found.parts.train]) | set(speakers[found.parts.profile])
    assert len(found.parts.test) == 500


def test_an_autoencoder_learns_from_healthy_pumps_only() -> None:
    found = prepared("skab")

    assert set(found.data.y[found.parts.train]) == {0}
    assert set(found.data.y[found.parts.profile]) == {0}


def test_weather_is_tested_on_its_last_decade() -> None:
    found = prepared("weather")

    assert np.array_equal(found.parts.test, np.arange(14_528, 18_159))


@pytest.mark.parametrize("name", ["skab", "weather"])
def test_a_recipe_becomes_a_bundle(name: str, tmp_path: Path) -> None:
    printed = answer("build", name, "-o", tmp_path / name, "--set", "training.epochs=2", "--allow-gate", "metric")

    bundle = open_bundle(tmp_path / name)
    assert bundle.manifest.labels == (("normal", "anomaly") if name == "skab" else ("dry", "rain"))
    assert printed["bundle"] == bundle.id
