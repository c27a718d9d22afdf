"""Whole bundles that run: the fixture models with a profile taken through them, without TensorFlow.

    bundle = make_bundle(tmp_path / "bundle", serial=2)

What a test wants to be wrong is an argument; everything else is right.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_models.bundle import Bundle, file_entries, write_bundle
from edge_models.engines.tflite import TfliteModel
from edge_models.manifest import (
    Artifact,
    InputSpec,
    Manifest,
    OutputSpec,
    Probe,
    Provenance,
    Requires,
    ScaleStep,
    Tolerance,
)
from edge_models.npz import read_npz, write_npz
from edge_models.preprocess import Preprocessor
from edge_models.profile import build_profile
from edge_models.quantize import dequantize, quantize
from edge_models.selftest import output_key
from edge_models.signals import OUTPUT_SIGNALS, input_signal_names, input_signals_batch, output_signals, softmax
from edge_models.tensors import TensorSpec
from tests.factories.frames import FULL, Corruption, digit_frames

ASSETS = Path(__file__).parents[1] / "assets"
LABELS = tuple("0123456789")
INT8, FLOAT = "tflite-int8", "tflite-float"
PROFILE_FRAMES = 1500

INPUT = InputSpec(
    kind="image",
    source=TensorSpec(shape=(8, 8), dtype="uint8"),
    preprocess=(ScaleStep(factor=1 / FULL),),
)


def make_bundle(
    directory: Path,
    *,
    model: str = "digits",
    version: str = "1.0",
    serial: int = 1,
    labels: tuple[str, ...] = LABELS,
    answers: tuple[str, ...] = (),
    profile: bool = True,
    seen: Corruption | None = None,
    float_artifact: bool = False,
    golden_is_wrong: bool = False,
    unknown_op: bool = False,
) -> Bundle:
    """Write a bundle of the fixture model.

    Args:
        directory: Where to.
        model: Name of the model slot.
        version: Version for people.
        serial: Rises with each bundle; also makes the bundle's id another one.
        labels: Ten names.
        answers: Ids of the requests it answers.
        profile: Whether the int8 artifact has a reference profile.
        seen: What the frames of that profile went through, such as the light of a site.
        float_artifact: Whether the same graph in float32 comes along as ``tflite-float``.
        golden_is_wrong: The self-test fails: golden outputs of another model.
        unknown_op: The int8 file has an operator that no runtime knows: opening it fails.
    """
    files = dict(_int8_files(seen))
    artifacts = {INT8: _int8_artifact(profile=profile)}
    if not profile:
        del files["int8-profile.npz"]
    if float_artifact:
        files |= _float_files()
        artifacts[FLOAT] = _float_artifact()
    if golden_is_wrong:
        files["int8-probe.npz"] = _wrong_golden(files["int8-probe.npz"])
    if unknown_op:
        files["digits-int8.tflite"] = (ASSETS / "unknown-op.tflite").read_bytes()
    manifest = Manifest(
        format_version=1,
        model=model,
        version=version,
        serial=serial,
        task="classification",
        labels=labels,
        input=INPUT,
        provenance=Provenance(recipe="fixture", answers=answers),
        files=file_entries(files),
        artifacts=artifacts,
    )
    return write_bundle(directory, manifest, files)


@functools.cache
def _int8_files(seen: Corruption | None) -> dict[str, bytes]:
    data = (ASSETS / "digits-int8.tflite").read_bytes()
    golden = read_npz(ASSETS / "digits-golden.npz", max_bytes=1 << 20, names=("x", "y"))
    return {
        "digits-int8.tflite": data,
        "int8-profile.npz": _profile(TfliteModel(data), seen),
        "int8-probe.npz": write_npz({"x": golden["x"], output_key("logits"): golden["y"]}),
    }


@functools.cache
def _float_files() -> dict[str, bytes]:
    data = (ASSETS / "digits-float.tflite").read_bytes()
    loaded = TfliteModel(data)
    x = Preprocessor(INPUT).batch(digit_frames(16, seed=3)[0])
    golden = {"x": x, output_key("logits"): np.stack([loaded.run(frame)[0] for frame in x])}
    return {
        "digits-float.tflite": data,
        "float-profile.npz": _profile(loaded),
        "float-probe.npz": write_npz(golden),
    }


@functools.cache
def _model(name: str) -> TfliteModel:
    return TfliteModel((ASSETS / name).read_bytes())


def _int8_artifact(*, profile: bool) -> Artifact:
    artifact = _artifact("digits-int8.tflite", "int8")
    return artifact if profile else replace(artifact, profile=None)


def _float_artifact() -> Artifact:
    return replace(_artifact("digits-float.tflite", "float"), tolerance=Tolerance(exact_lsb=64, delegate_lsb=64))


def _artifact(file: str, prefix: str) -> Artifact:
    loaded = _model(file)
    return Artifact(
        engine="tflite",
        file=file,
        requires=Requires(runtimes=("ai-edge-litert", "tflite-runtime")),
        input=loaded.input.spec,
        outputs=(OutputSpec(name="logits", role="logits", spec=loaded.outputs[0].spec),),
        profile=f"{prefix}-profile.npz",
        probe=Probe(file=f"{prefix}-probe.npz", count=16),
        acceptance={"accuracy": 0.95},
    )


def _profile(loaded: TfliteModel, seen: Corruption | None = None) -> bytes:
    """The reference profile as the converter takes it: through the artifact itself."""
    x = Preprocessor(INPUT).batch(digit_frames(PROFILE_FRAMES, seed=11, corruption=seen)[0])
    chances = softmax(np.stack([_logits(loaded, frame) for frame in x]))
    values = np.concatenate((input_signals_batch("image", x), output_signals(chances)), axis=1)
    names = input_signal_names("image", x.shape[1:]) + OUTPUT_SIGNALS
    return build_profile(names, values, chances.argmax(axis=1), len(LABELS)).to_npz()


def _logits(loaded: TfliteModel, x: NDArray[np.float32]) -> NDArray[np.float32]:
    codes = loaded.run(quantize(x, loaded.input.spec))[0]
    return dequantize(codes, loaded.outputs[0].spec)


def _wrong_golden(probe: bytes) -> bytes:
    arrays = read_npz(probe, max_bytes=1 << 20)
    return write_npz(arrays | {output_key("logits"): arrays[output_key("logits")][:, ::-1]})
