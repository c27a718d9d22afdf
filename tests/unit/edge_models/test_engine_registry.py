"""Which runtime and which artifact: decided from names alone, without loading anything."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from edge_models.bundle import Bundle
from edge_models.engines import available_runtimes, choose_artifact, device_files, open_engine
from edge_models.engines.registry import NUMPY, usable_runtimes
from edge_models.errors import BundleError, RuntimeMissingError, UnsupportedArtifactError
from edge_models.manifest import Artifact, Manifest, Requires
from tests.factories.bundles import FLOAT, INT8, make_bundle

LITERT, TFLITE = "ai-edge-litert", "tflite-runtime"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("registry") / "bundle", float_artifact=True)


def with_runtimes(manifest: Manifest, **runtimes: tuple[str, ...]) -> Manifest:
    changed: dict[str, Artifact] = {
        name: dataclasses.replace(artifact, requires=Requires(runtimes=runtimes[name.removeprefix("tflite-")]))
        for name, artifact in manifest.artifacts.items()
    }
    return dataclasses.replace(manifest, artifacts=changed)


def test_int8_comes_first_without_a_preference(bundle: Bundle) -> None:
    assert choose_artifact(bundle.manifest, [LITERT]) == INT8


def test_the_operators_preference_is_taken(bundle: Bundle) -> None:
    assert choose_artifact(bundle.manifest, [LITERT], FLOAT) == FLOAT


def test_a_preference_that_is_not_in_the_bundle_is_refused_with_what_there_is(bundle: Bundle) -> None:
    with pytest.raises(UnsupportedArtifactError, match="no artifact spiking, only tflite-"):
        choose_artifact(bundle.manifest, [LITERT], "spiking")


def test_what_cannot_run_here_is_passed_over(bundle: Bundle) -> None:
    manifest = with_runtimes(bundle.manifest, int8=(LITERT,), float=(LITERT, TFLITE))

    assert choose_artifact(manifest, [TFLITE]) == FLOAT


def test_a_preference_that_cannot_run_here_is_an_error_and_not_replaced(bundle: Bundle) -> None:
    manifest = with_runtimes(bundle.manifest, int8=(LITERT,), float=(LITERT, TFLITE))

    with pytest.raises(RuntimeMissingError, match="needs ai-edge-litert, found tflite-runtime; install"):
        choose_artifact(manifest, [TFLITE], INT8)


def test_a_runtime_is_judged_by_its_own_version_wherever_it_is_named(bundle: Bundle) -> None:
    requires = Requires(runtimes=(LITERT,), ops={"FULLY_CONNECTED": 99})
    artifact = dataclasses.replace(bundle.artifact(INT8), requires=requires)
    manifest = dataclasses.replace(bundle.manifest, artifacts={INT8: artifact})

    assert choose_artifact(manifest, {LITERT: "2.10.0"}) == INT8
    assert choose_artifact(manifest, [f"{LITERT}==2.10.0"]) == INT8
    for old in ([LITERT], {LITERT: "2.3.0"}, [f"{LITERT}==2.3.0"]):
        with pytest.raises(UnsupportedArtifactError, match=r"FULLY_CONNECTED version 99, ai-edge-litert 2\.3\.0 loads"):
            choose_artifact(manifest, old)


def with_spiking(manifest: Manifest) -> Manifest:
    """The float artifact as if it were a spiking one, and its collapsed form, which alone needs a TFLite runtime."""
    float_artifact = manifest.artifacts[FLOAT]
    network = dataclasses.replace(
        float_artifact, engine="spiking", collapsed="collapsed", requires=Requires(runtimes=(NUMPY,))
    )
    graph = dataclasses.replace(float_artifact, engine="spiking", file="digits-int8.tflite")
    artifacts = {INT8: manifest.artifacts[INT8], "collapsed": graph, "spiking": network}
    return dataclasses.replace(manifest, artifacts=artifacts)


def test_a_spiking_artifact_comes_after_tflite_and_before_its_collapsed_form(bundle: Bundle) -> None:
    manifest = with_spiking(bundle.manifest)
    rest = {name: artifact for name, artifact in manifest.artifacts.items() if name != INT8}

    assert choose_artifact(manifest, {LITERT: "2.3.0", NUMPY: "2.4.6"}) == INT8
    assert choose_artifact(manifest, {NUMPY: "2.4.6"}) == "spiking"
    assert choose_artifact(dataclasses.replace(manifest, artifacts=rest), [LITERT, NUMPY]) == "spiking"


def test_the_collapsed_form_comes_along_only_where_a_runtime_loads_it(bundle: Bundle) -> None:
    manifest = with_spiking(bundle.manifest)
    alone = manifest.artifacts["spiking"].files

    assert device_files(manifest, "spiking", [NUMPY]) == alone
    assert device_files(manifest, "spiking", [f"{LITERT}==2.3.0", NUMPY]) == (*alone, "digits-int8.tflite")
    assert device_files(manifest, INT8, [LITERT]) == manifest.artifacts[INT8].files


def test_no_runtime_at_all_is_said_plainly(bundle: Bundle) -> None:
    with pytest.raises(RuntimeMissingError, match="found none; install one of them"):
        choose_artifact(bundle.manifest, [])


def test_an_artifact_of_an_engine_that_is_not_built_in_is_refused_by_name(bundle: Bundle) -> None:
    quantum = dataclasses.replace(bundle.artifact(INT8), engine="quantum")
    manifest = dataclasses.replace(bundle.manifest, artifacts={"quantum": quantum})

    with pytest.raises(UnsupportedArtifactError, match="engine quantum, expected tflite or spiking"):
        open_engine(dataclasses.replace(bundle, manifest=manifest), "quantum")


def test_an_artifact_that_is_not_there_is_refused(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="no artifact other"):
        open_engine(bundle, "other")


def test_the_installed_runtimes_are_those_of_the_package_metadata() -> None:
    for name, version in available_runtimes().items():
        assert metadata.version(name) == version


@pytest.mark.parametrize(
    ("installed", "usable"),
    [
        ({LITERT: "2.3.0", NUMPY: "2.4.6"}, [LITERT, NUMPY]),
        ({TFLITE: "2.14.0", NUMPY: "1.26.4"}, [TFLITE, NUMPY]),
        ({TFLITE: "2.14.0", NUMPY: "2.4.6"}, [NUMPY]),
        ({TFLITE: "2.14.0", LITERT: "2.3.0", NUMPY: "2.4.6"}, [LITERT, NUMPY]),
        ({TFLITE: "2.14.0", LITERT: "2.3.0", NUMPY: "1.26.4"}, [LITERT, TFLITE, NUMPY]),
        ({LITERT: "2.3.0"}, []),
        ({NUMPY: "2.4.6"}, [NUMPY]),
    ],
)
def test_a_runtime_counts_only_with_a_numpy_that_it_works_with(installed: dict[str, str], usable: list[str]) -> None:
    assert list(usable_runtimes(installed)) == usable


def test_asking_what_is_there_loads_neither_numpy_nor_a_runtime() -> None:
    code = (
        "import sys; from edge_models.engines import available_runtimes, choose_artifact; available_runtimes();"
        "print(sorted({'numpy', 'ai_edge_litert', 'tflite_runtime'} & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3]
    )

    assert done.stdout == "[]\n"
