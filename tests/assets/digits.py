"""A whole bundle from the committed digits files, made in milliseconds and without TensorFlow."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge_models.bundle import Bundle, file_entries, write_bundle
from edge_models.engines.port import infer
from edge_models.engines.tflite import TfliteEngine, TfliteModel
from edge_models.manifest import (
    FORMAT_VERSION,
    Artifact,
    InputSpec,
    Manifest,
    OutputSpec,
    Probe,
    Requires,
    ScaleStep,
)
from edge_models.npz import read_npz, write_npz
from edge_models.profile import build_profile
from edge_models.quantize import dequantize
from edge_models.selftest import output_key
from edge_models.signals import (
    OUTPUT_SIGNALS,
    input_signal_names,
    input_signals_batch,
    output_signals,
    probabilities,
)
from edge_models.tensors import TensorSpec

FOLDER = Path(__file__).parent
INT8 = "tflite-int8"
FLOAT = "tflite-float"
LABELS = tuple("0123456789")
SHAPE = (8, 8, 1)


def asset(name: str) -> bytes:
    """The content of a file of this folder."""
    return (FOLDER / name).read_bytes()


def digits_frames() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """The 16 golden inputs as a source delivers them: (16, 8, 8) with values 0..16."""
    golden = read_npz(asset("digits-golden.npz"), max_bytes=1 << 16)
    spec = TfliteModel(asset("digits-int8.tflite")).input.spec
    return (dequantize(golden["x"], spec)[..., 0] * 16).astype(np.float32)


def digits_bundle(directory: Path, *, version: str = "1.0", serial: int = 1) -> Bundle:
    """Write a bundle with an int8 and a float artifact of the digits network.

    The golden outputs of int8 are the committed ones; those of float are what this machine gives.
    """
    x = digits_frames()[..., None] / np.float32(16)
    artifacts: dict[str, Artifact] = {}
    files: dict[str, bytes] = {}
    for name, file in ((INT8, "digits-int8.tflite"), (FLOAT, "digits-float.tflite")):
        artifacts[name] = draft = _draft(file)
        files[file] = asset(file)
        files[draft.probe.file], files[str(draft.profile)] = _measured(draft, files[file], x)
    golden = read_npz(asset("digits-golden.npz"), max_bytes=1 << 16)
    files["digits-int8.probe.npz"] = write_npz({"x": golden["x"], output_key("logits"): golden["y"]})
    source = TensorSpec(shape=SHAPE[:2], dtype="float32")
    manifest = Manifest(
        format_version=FORMAT_VERSION,
        model="digits",
        version=version,
        serial=serial,
        task="classification",
        labels=LABELS,
        input=InputSpec(kind="image", source=source, preprocess=(ScaleStep(factor=1 / 16),)),
        files=file_entries(files),
        artifacts=artifacts,
    )
    return write_bundle(directory, manifest, files)


def _draft(file: str) -> Artifact:
    model = TfliteModel(asset(file))
    stem = file.removesuffix(".tflite")
    return Artifact(
        engine="tflite",
        file=file,
        requires=Requires(runtimes=("ai-edge-litert", "tflite-runtime")),
        input=model.input.spec,
        outputs=(OutputSpec(name="logits", role="logits", spec=model.outputs[0].spec),),
        profile=f"{stem}.profile.npz",
        probe=Probe(file=f"{stem}.probe.npz", count=16),
    )


def _measured(
    artifact: Artifact, data: bytes, x: np.ndarray[tuple[int, ...], np.dtype[np.float32]]
) -> tuple[bytes, bytes]:
    """The probe and the profile of an artifact on the golden inputs."""
    engine = TfliteEngine(artifact, data)
    answers = [infer(engine, frame)["logits"] for frame in x]
    p = np.stack([probabilities(artifact, {"logits": answer}) for answer in answers])  # type: ignore[misc]
    values = np.concatenate([input_signals_batch("image", x), output_signals(p)], axis=1)
    names = input_signal_names("image", SHAPE) + OUTPUT_SIGNALS
    profile = build_profile(names, values, p.argmax(axis=1), len(LABELS))
    return write_npz({"x": x, output_key("logits"): np.stack(answers)}), profile.to_npz()
