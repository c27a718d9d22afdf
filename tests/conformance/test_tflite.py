"""What the TFLite adapter owes beyond the port, on whichever runtime is installed."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from edge_models.engines import available_runtimes, open_engine
from edge_models.engines.port import infer
from edge_models.engines.tflite import TfliteEngine, TfliteModel
from edge_models.errors import UnsupportedArtifactError
from edge_models.manifest import Artifact
from edge_models.npz import read_npz
from edge_models.selftest import run_probe
from edge_models.tensors import QuantParams
from tests.factories.bundles import ASSETS, FLOAT, INT8, make_bundle
from tests.factories.frames import FULL, digit_frames

pytestmark = pytest.mark.runtime


def test_the_adapter_uses_an_installed_runtime_and_says_which() -> None:
    name, version = TfliteModel((ASSETS / "digits-int8.tflite").read_bytes()).runtime.split(" ")

    assert available_runtimes()[name] == version
    assert metadata.version(name) == version


def test_loading_a_model_says_nothing_on_stderr() -> None:
    code = (
        "import pathlib, sys; from edge_models.engines.tflite import TfliteModel;"
        "[TfliteModel(pathlib.Path(path).read_bytes()) for path in sys.argv[1:]]"
    )
    models = [str(ASSETS / "digits-float.tflite"), str(ASSETS / "digits-int8.tflite")]

    ended = subprocess.run(
        [sys.executable, "-c", code, *models], cwd=ASSETS.parents[1], capture_output=True, text=True, check=False
    )

    assert (ended.returncode, ended.stderr) == (0, "")


def test_plain_kernels_give_the_golden_answers_exactly() -> None:
    golden = read_npz((ASSETS / "digits-golden.npz").read_bytes(), max_bytes=1 << 16)
    model = TfliteModel((ASSETS / "digits-int8.tflite").read_bytes(), delegates=False)

    answers = np.stack([model.run(frame)[0] for frame in golden["x"]])

    np.testing.assert_array_equal(answers, golden["y"])


@pytest.mark.parametrize("name", [INT8, FLOAT])
@pytest.mark.parametrize("delegates", [True, False])
def test_both_artifacts_pass_their_own_golden_inputs(tmp_path: Path, name: str, delegates: bool) -> None:
    bundle = make_bundle(tmp_path / "bundle", float_artifact=True)

    result = run_probe(bundle, name, open_engine(bundle, name, delegates=delegates), delegates=delegates)

    assert result.ok, result.reason
    assert result.count == 16
    assert result.top1_agreement == 1.0


def test_int8_and_float_of_the_same_graph_agree(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle", float_artifact=True)
    int8, full = open_engine(bundle, INT8), open_engine(bundle, FLOAT)

    for frame in (digit_frames(50)[0] / np.float32(FULL)).astype(np.float32):
        assert infer(int8, frame)["logits"].argmax() == infer(full, frame)["logits"].argmax()


@pytest.mark.parametrize("size", [0, 3, 8, 16, 100, 2000, 4900])
def test_a_truncated_file_is_refused_before_the_runtime_sees_it(size: int) -> None:
    with pytest.raises(UnsupportedArtifactError):
        TfliteModel((ASSETS / "digits-int8.tflite").read_bytes()[:size])


def test_a_file_of_another_kind_is_refused() -> None:
    with pytest.raises(UnsupportedArtifactError, match="TFL3"):
        TfliteModel(b"PK\x03\x04" + bytes(5000))


def test_an_operator_that_the_runtime_lacks_is_refused_with_its_name() -> None:
    with pytest.raises(UnsupportedArtifactError, match="DriftlineNobodyKnows"):
        TfliteModel((ASSETS / "unknown-op.tflite").read_bytes()).run(np.zeros(4, np.float32))


def _refused(artifact: Artifact) -> str:
    with pytest.raises(UnsupportedArtifactError) as caught:
        TfliteEngine(artifact, (ASSETS / "digits-int8.tflite").read_bytes())
    return str(caught.value)


def test_a_manifest_that_says_otherwise_than_the_file_is_refused(tmp_path: Path) -> None:
    artifact = make_bundle(tmp_path / "bundle", float_artifact=True).artifact(INT8)
    output = artifact.outputs[0]
    other_code = dataclasses.replace(artifact.input, quant=QuantParams(scale=0.5, zero_point=0))
    other_shape = dataclasses.replace(output, spec=dataclasses.replace(output.spec, shape=(11,)))
    second = dataclasses.replace(output, name="embedding")

    assert "zero point" in _refused(dataclasses.replace(artifact, input=other_code))
    assert "int8[11]" in _refused(dataclasses.replace(artifact, outputs=(other_shape,)))
    assert "2" in _refused(dataclasses.replace(artifact, outputs=(output, second)))
