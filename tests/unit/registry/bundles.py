"""Small bundles that are right in every byte, with models that nobody runs."""

from __future__ import annotations

import random
from pathlib import Path

from edge_models.bundle import Bundle, file_entries, write_bundle
from edge_models.manifest import Artifact, InputSpec, Manifest, OutputSpec, Probe, Requires
from edge_models.tensors import QuantParams, TensorSpec


def make_bundle(
    directory: Path,
    *,
    serial: int = 1,
    model: str = "digits",
    version: str = "",
    model_bytes: int = 2000,
    seed: int = 0,
    shared_seed: int = 1,
) -> Bundle:
    """A bundle with two artifacts; the probe's content depends on ``shared_seed`` only, so bundles share that blob."""
    shared = random.Random(shared_seed)
    own = random.Random(f"{seed}-{serial}-{model}")
    files = {
        "model.tflite": own.randbytes(model_bytes),
        "profile.npz": own.randbytes(300),
        "probe.npz": shared.randbytes(700),
        "float.tflite": own.randbytes(3 * model_bytes),
        "report.json": b"{}\n",
    }
    manifest = Manifest(
        format_version=1,
        model=model,
        version=version or f"1.{serial}",
        serial=serial,
        task="classification",
        labels=("0", "1", "2"),
        input=InputSpec(kind="image", source=TensorSpec(shape=(8, 8), dtype="uint8")),
        files=file_entries(files),
        artifacts={
            "tflite-int8": _artifact("model.tflite", "int8", profile="profile.npz"),
            "tflite-float": _artifact("float.tflite", "float32", profile=None),
        },
    )
    return write_bundle(directory, manifest, files)


def _artifact(file: str, dtype: str, *, profile: str | None) -> Artifact:
    quant = QuantParams(scale=0.5, zero_point=0) if dtype == "int8" else None
    return Artifact(
        engine="tflite",
        file=file,
        requires=Requires(runtimes=("ai-edge-litert", "tflite-runtime")),
        input=TensorSpec(shape=(8, 8, 1), dtype=dtype, quant=quant),  # type: ignore[arg-type]
        outputs=(OutputSpec(name="logits", role="logits", spec=TensorSpec(shape=(3,), dtype=dtype, quant=quant)),),  # type: ignore[arg-type]
        profile=profile,
        probe=Probe(file="probe.npz", count=4),
    )
