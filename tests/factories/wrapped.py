"""A bundle around any fixture model, its profile and golden inputs taken through the model itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge_models.bundle import Bundle, file_entries, write_bundle
from edge_models.engines.flatbuffer import check_tflite
from edge_models.engines.port import infer
from edge_models.engines.tflite import TfliteEngine, TfliteModel
from edge_models.manifest import Artifact, InputSpec, Manifest, OutputSpec, Probe, Requires, Tolerance
from edge_models.npz import write_npz
from edge_models.preprocess import Preprocessor
from edge_models.profile import build_profile
from edge_models.quantize import quantize
from edge_models.selftest import output_key
from edge_models.signals import input_signal_names, input_signals_batch, output_signal_names, read_answer

GOLDEN = 8
BOTH = ("ai-edge-litert", "tflite-runtime")


def wrap(
    directory: Path,
    file: Path,
    spec: InputSpec,
    frames: NDArray[Any],
    *,
    labels: tuple[str, ...],
    role: Literal["logits", "reconstruction"] = "logits",
    threshold: float | None = None,
    runtimes: tuple[str, ...] = BOTH,
) -> Bundle:
    """Write a bundle of one artifact, ``tflite``.

    Args:
        directory: Where to.
        file: The model, with one output.
        spec: What it eats.
        frames: Reference frames as the source delivers them, (n, ...).
        labels: Of the classes.
        role: Of the output.
        threshold: Of an anomaly.
        runtimes: That the manifest names.
    """
    data = file.read_bytes()
    loaded = TfliteModel(data)
    artifact = Artifact(
        engine="tflite",
        file=file.name,
        requires=Requires(runtimes=runtimes, ops=check_tflite(data)),
        input=loaded.input.spec,
        outputs=(OutputSpec(name=role, role=role, spec=loaded.outputs[0].spec),),
        profile="profile.npz",
        probe=Probe(file="probe.npz", count=GOLDEN),
        tolerance=Tolerance(exact_lsb=64, delegate_lsb=64) if loaded.input.spec.quant is None else Tolerance(),
        threshold=threshold,
    )
    x = Preprocessor(spec).batch(frames)
    files = {
        file.name: data,
        "profile.npz": _profile(artifact, data, spec, x),
        "probe.npz": _probe(
            loaded, role, quantize(x[:GOLDEN].reshape(-1, *loaded.input.spec.shape), loaded.input.spec)
        ),
    }
    manifest = Manifest(
        format_version=1,
        model="wrapped",
        version="1.0",
        serial=1,
        task="classification" if role == "logits" else "anomaly",
        labels=labels,
        input=spec,
        files=file_entries(files),
        artifacts={"tflite": artifact},
    )
    return write_bundle(directory, manifest, files)


def _profile(artifact: Artifact, data: bytes, spec: InputSpec, x: NDArray[np.float32]) -> bytes:
    engine = TfliteEngine(artifact, data)
    answers = [read_answer(artifact, frame, infer(engine, frame)) for frame in x]
    values = np.concatenate((input_signals_batch(spec.kind, x), np.stack([a.signals for a in answers])), axis=1)
    names = input_signal_names(spec.kind, x.shape[1:]) + output_signal_names(artifact)
    predicted = [answer.predicted for answer in answers if answer.predicted is not None]
    classes = 2 if artifact.threshold is not None else artifact.outputs[0].spec.shape[-1]
    return build_profile(names, values, np.array(predicted) if predicted else None, classes).to_npz()


def _probe(loaded: TfliteModel, name: str, codes: NDArray[Any]) -> bytes:
    return write_npz({"x": codes, output_key(name): np.stack([loaded.run(frame)[0] for frame in codes])})
