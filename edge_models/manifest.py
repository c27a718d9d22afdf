"""manifest.json: what a bundle is, what is in it, and what was measured on each artifact.

The bytes of the manifest are the identity of the bundle (sha256, ``BundleId``); everything else hangs on it. This file
knows the fields only; ``edge_models.bundle`` holds them against the files.
"""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass, replace
from typing import Any, Literal, NewType

from edge_models.artifact import (
    ARTIFACT_NAME,
    FILE_NAME,
    MODEL_NAME,
    OUTPUT_NAME,
    Artifact,
    OutputSpec,
    Probe,
    Requires,
    Tolerance,
)
from edge_models.errors import FieldError, ManifestError
from edge_models.fields import canonical_json, decode, described
from edge_models.json_text import parse_json
from edge_models.scalars import shown
from edge_models.steps import (
    CropStep,
    GreyscaleStep,
    LogMelStep,
    MfccStep,
    NormaliseStep,
    ResizeStep,
    ScaleStep,
    SpectrumStep,
    StandardiseEachStep,
    Step,
    WindowStep,
)
from edge_models.tensors import TensorSpec

__all__ = [
    "ARTIFACT_NAME",
    "FILE_NAME",
    "FORMAT_VERSION",
    "MANIFEST_NAME",
    "MAX_FILE_BYTES",
    "MAX_MANIFEST_BYTES",
    "MODEL_NAME",
    "OUTPUT_NAME",
    "SHA256",
    "Artifact",
    "BundleId",
    "CropStep",
    "FileEntry",
    "GreyscaleStep",
    "InputSpec",
    "LogMelStep",
    "Manifest",
    "MfccStep",
    "NormaliseStep",
    "OutputSpec",
    "Probe",
    "Provenance",
    "Requires",
    "ResizeStep",
    "ScaleStep",
    "SpectrumStep",
    "StandardiseEachStep",
    "Step",
    "Tolerance",
    "Waiver",
    "WindowStep",
    "bundle_id",
    "figures",
    "short",
]

FORMAT_VERSION = 1
MANIFEST_NAME = "manifest.json"
MAX_MANIFEST_BYTES = 256 * 1024  # a manifest of ours is 3 to 6 KB; the bound keeps a hostile one out of a Pi's memory
MAX_FILE_BYTES = 512 * 1024 * 1024
SHA256 = r"[0-9a-f]{64}"

BundleId = NewType("BundleId", str)
"""sha256 of the manifest's bytes as stored, 64 lower-case hex digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """One file of the bundle; the digest makes it a content-addressed blob."""

    size: int = described("Length in bytes.", ge=0, le=MAX_FILE_BYTES)
    sha256: str = described("Digest of the content.", pattern=SHA256)


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """What a source delivers, and the steps that make it the model's input."""

    kind: Literal["image", "rows", "audio"] = described("What the numbers are; chooses the drift signals.")
    source: TensorSpec = described(
        "One frame as the source delivers it: image (h, w) or (h, w, c), row (columns), audio (samples)."
    )
    rate_hz: float | None = described("audio: samples in a second of the source.", default=None, ge=1e-3, le=1e9)
    preprocess: tuple[Step, ...] = described("Steps from the frame to the float input.", default=(), max_length=32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """A gate that the bundle missed and that its builder let it pass (``--allow-gate``)."""

    gate: str = described("Name of the gate.", max_length=64)
    found: float = described("What was measured.")
    limit: float = described("What the gate asks for.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where the model came from."""

    recipe: str = described("Name of the recipe.", default="")
    recipe_sha256: str = described("Digest of the recipe as used.", default="")
    data_sha256: str = described("Digest of the training data.", default="")
    parent: str | None = described("Bundle that this one replaces.", default=None, pattern=SHA256)
    answers: tuple[str, ...] = described("Ids of the model requests it answers.", default=(), max_length=1000)
    contributors: tuple[str, ...] = described("Devices whose samples it learnt from.", default=(), max_length=10000)
    created: str = described("RFC 3339 UTC time of the build.", default="")
    tools: dict[str, str] = described("Versions of what built it.", default_factory=dict, max_length=64)
    waivers: tuple[Waiver, ...] = described("Gates that it missed and was let pass.", default=(), max_length=64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The whole manifest; see edge_models/README.md, which is normative."""

    format_version: int = described("Version of this format.", ge=1)
    model: str = described("Name of the model slot it fits.", pattern=MODEL_NAME)
    version: str = described("Version for people.", max_length=64)
    serial: int = described("Rises by one with every bundle of the model.", ge=1)
    task: Literal["classification", "anomaly", "regression"] = described("What the outputs are for.")
    labels: tuple[str, ...] = described("Name of each class in the order of the logits.", default=(), max_length=10000)
    input: InputSpec = described("What the model eats.")
    provenance: Provenance = described("Where it came from.", default_factory=Provenance)
    files: dict[str, FileEntry] = described("Every file of the bundle but the manifest.", max_length=1000)
    artifacts: dict[str, Artifact] = described("Runnable forms by name, such as tflite-int8.", max_length=32)

    def __post_init__(self) -> None:
        """Refuse references to files that the bundle does not list, and names that could leave its directory."""
        for name in self.files:
            if not re.fullmatch(FILE_NAME, name) or name == MANIFEST_NAME:
                raise ValueError(f"file names like {FILE_NAME}, not {shown(name)}")
        if not self.artifacts:
            raise ValueError("at least one artifact")
        for name, artifact in self.artifacts.items():
            self._check_artifact(name, artifact)

    def _check_artifact(self, name: str, artifact: Artifact) -> None:
        if not re.fullmatch(ARTIFACT_NAME, name):
            raise ValueError(f"artifact names like {ARTIFACT_NAME}, not {shown(name)}")
        for file in artifact.files:
            if file not in self.files:
                raise ValueError(f"{file} of artifact {name} in files")
        if artifact.collapsed is not None:
            self._check_collapsed(name, artifact, artifact.collapsed)
        classes = artifact.output("logits", "probabilities")
        if self.labels and classes is not None and math.prod(classes.spec.shape) != len(self.labels):
            shape = list(classes.spec.shape)
            raise ValueError(f"as many labels as outputs, not {len(self.labels)} for {shape} of artifact {name}")
        if artifact.threshold is not None and (self.task != "anomaly" or len(self.labels) != 2):
            raise ValueError(f"task anomaly and labels (normal, anomaly) for the threshold of artifact {name}")

    def _check_collapsed(self, name: str, artifact: Artifact, collapsed: str) -> None:
        other = self.artifacts.get(collapsed)
        if other is None or collapsed == name:
            raise ValueError(f"another artifact of this bundle as collapsed of {name}, not {collapsed}")
        if not artifact.engine == other.engine == "spiking":
            raise ValueError(f"engine spiking for {name} and its collapsed form {collapsed}")
        if (artifact.input, artifact.outputs) != (other.input, other.outputs):
            raise ValueError(f"the same input and outputs for {name} and its collapsed form {collapsed}")

    def to_bytes(self) -> bytes:
        """The stored form; its sha256 is the bundle's id."""
        return canonical_json(self)

    def with_files(self, files: dict[str, FileEntry]) -> Manifest:
        """The same manifest over other file entries."""
        return replace(self, files=files)

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Parse stored bytes; hash them first, this only reads.

        Raises:
            ManifestError: Not a manifest, or of a format that this version does not read.
        """
        try:
            value = parse_json(data, max_bytes=MAX_MANIFEST_BYTES)
            version = decode(_Format, value).format_version
            if version != FORMAT_VERSION:
                raise ManifestError(
                    f"manifest has format_version {version}, this version reads {FORMAT_VERSION}: "
                    + ("update Driftline" if version > FORMAT_VERSION else "build the bundle again")
                )
            return decode(cls, value)
        except FieldError as exc:
            raise ManifestError(f"manifest: {exc}") from exc


@dataclass(frozen=True, slots=True, kw_only=True)
class _Format:
    format_version: int = described("Version of this format.", ge=1)


def bundle_id(manifest_bytes: bytes) -> BundleId:
    """The identity of the bundle that these manifest bytes describe."""
    return BundleId(hashlib.sha256(manifest_bytes).hexdigest())


def short(identity: str, *, digits: int = 12) -> str:
    """The first digits of a digest, for people."""
    return identity[:digits]


def figures(manifest: Manifest) -> dict[str, Any]:
    """The measured figures of each artifact by name."""
    return {name: dict(artifact.acceptance) for name, artifact in manifest.artifacts.items()}
