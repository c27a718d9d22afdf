"""The verb `export-nir`: one spiking network of a bundle as a file of another tool."""

from __future__ import annotations

import json
from pathlib import Path

import nir
import pytest

from converter.__main__ import main
from edge_models.bundle import Bundle
from tests.assets.spiking import network
from tests.factories.bundles import make_bundle
from tests.factories.spiking import make_spiking_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    exported = network(1, coding="if", kind="conv1d")
    return make_spiking_bundle(tmp_path_factory.mktemp("if") / "bundle", exported)


def export(bundle: Bundle, output: Path, *more: str) -> int:
    return main(["export-nir", str(bundle.directory), "--dialect", "sinabs-soft", "-o", str(output), *more])


def test_the_file_is_written_where_the_user_says(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "network.nir"

    assert export(bundle, output) == 0

    graph = nir.read(output)
    assert len(graph.inputs) == len(graph.outputs) == 1
    told = (
        f"{output}: {output.stat().st_size} bytes, {len(graph.nodes)} nodes of artifact spiking, dialect sinabs-soft\n"
    )
    assert capsys.readouterr().out == told
    assert [path.name for path in tmp_path.iterdir()] == ["network.nir"]


def test_json_tells_what_was_written(bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "network.nir"

    assert export(bundle, output, "--json") == 0

    told = json.loads(capsys.readouterr().out)
    assert told["bytes"] == output.stat().st_size
    assert (told["file"], told["dialect"], told["artifact"]) == (str(output), "sinabs-soft", "spiking")


def test_equal_bundles_give_equal_files(bundle: Bundle, tmp_path: Path) -> None:
    first, second = tmp_path / "first.nir", tmp_path / "second.nir"
    export(bundle, first)
    export(bundle, second)

    assert first.read_bytes() == second.read_bytes()


def refused(capsys: pytest.CaptureFixture[str], code: int) -> str:
    assert code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_a_network_of_graded_counts_is_refused_with_the_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graded = make_spiking_bundle(tmp_path / "bundle", network(1, coding="atf"))

    line = refused(capsys, export(graded, tmp_path / "network.nir"))

    assert "found atf, expected if" in line
    assert "spiking.coding=if" in line
    assert not (tmp_path / "network.nir").exists()


def test_a_bundle_without_spikes_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = make_bundle(tmp_path / "bundle")

    assert "expected a spiking one; build with a section spiking" in refused(capsys, export(plain, tmp_path / "n.nir"))


def test_an_artifact_that_is_no_spiking_network_is_refused(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refused(capsys, export(bundle, tmp_path / "n.nir", "--artifact", "int8"))

    assert "--artifact int8: expected a spiking artifact, found spiking" in line


@pytest.mark.parametrize("name", ["", "inside.nir"])
def test_a_place_that_cannot_take_it_is_refused(bundle: Bundle, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(bundle.directory.iterdir())

    assert "--output" in refused(capsys, export(bundle, bundle.directory / name))
    assert sorted(bundle.directory.iterdir()) == before
