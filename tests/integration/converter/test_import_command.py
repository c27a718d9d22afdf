"""A trained Keras model becomes a bundle without a recipe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_models.bundle import open_bundle
from edge_models.npz import read_npz, write_npz
from edge_models.profile import Profile
from tests.factories.frames import DIGITS
from tests.integration.converter.conftest import Built
from tests.integration.converter.program import answer, convert

pytestmark = pytest.mark.integration

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@pytest.fixture
def given(tmp_path: Path) -> tuple[object, ...]:
    """Labels, data and preprocessing of the digits."""
    arrays = read_npz(DIGITS, max_bytes=1 << 20)
    (tmp_path / "d.npz").write_bytes(write_npz({"x": arrays["x"].astype("uint8"), "y": arrays["y"].astype("int64")}))
    (tmp_path / "l.txt").write_text("\n".join(NAMES))
    steps = "[{op: scale, factor: 0.0625}]"
    return ("--labels", tmp_path / "l.txt", "--data", tmp_path / "d.npz", "--preprocess", steps, "--progress", "none")


def test_a_keras_model_is_converted_as_it_is_in_every_precision_that_is_asked_for(
    built: Built, tmp_path: Path, given: tuple[object, ...]
) -> None:
    more = ("--set", "quantize.also=[float16]", "--set", "gates.metric=1", "--allow-gate", "metric", "--model", "mine")

    report = answer("import", built.model, *given, "-o", tmp_path / "out", *more)

    manifest = open_bundle(tmp_path / "out").manifest
    assert (manifest.model, manifest.labels) == ("mine", NAMES)
    assert set(manifest.artifacts) == {"tflite-int8", "tflite-float16"}
    for artifact in manifest.artifacts.values():
        assert [output.role for output in artifact.outputs] == ["logits", "embedding"]
    assert manifest.artifacts["tflite-int8"].acceptance["accuracy"] >= 0.95
    assert {waiver.gate for waiver in manifest.provenance.waivers} <= {"metric"}
    assert report["examples"]["test"] > report["examples"]["train"]
    assert report["learning"]["curves"][-1]["loss"] == []
    assert answer("verify", tmp_path / "out")["ok"]


def test_conditions_of_the_data_are_contexts_of_the_profile_and_told(
    built: Built, tmp_path: Path, given: tuple[object, ...]
) -> None:
    arrays = read_npz(DIGITS, max_bytes=1 << 20)
    x, y = arrays["x"].astype("uint8"), arrays["y"].astype("int64")
    light = np.repeat([0, 1], [len(x), 2 * len(x)])
    both = {"x": np.concatenate([x, x // 2, x // 2]), "y": np.tile(y, 3), "light": light}
    (tmp_path / "d.npz").write_bytes(write_npz(both))
    asked = ("--set", "profile.groups=light", "--set", "gates.metric=0.5")

    report = answer("import", built.model, *given, "-o", tmp_path / "out", *asked)

    profile = Profile.from_npz(open_bundle(tmp_path / "out").read("int8-profile.npz"))
    day, night = profile.contexts
    assert (day.name, night.name) == ("light-0", "light-1")
    assert f"profile: conditions light-0 ({day.n}), light-1 ({night.n})" in report["notes"]
    assert night.n > day.n >= 200
    mean = profile.signals.index("mean")
    assert day.u_mean[mean] > night.u_mean[mean] + 0.2


def test_a_truncated_model_is_one_line_and_leaves_nothing(
    built: Built, tmp_path: Path, given: tuple[object, ...]
) -> None:
    half = tmp_path / "half.keras"
    half.write_bytes(built.model.read_bytes()[:2000])

    ended = convert("import", half, *given, "-o", tmp_path / "out")

    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert f"{half}: " in ended.stderr
    assert not (tmp_path / "out").exists()
