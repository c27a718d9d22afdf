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
FILE_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
SHA256 = r"[0-9a-f]{64}"
MODEL_NAME = r"[a-z0-9][a-z0-9-]{0,39}"
ARTIFACT_NAME = MODEL_NAME
OUTPUT_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}"  # becomes the name of an array in the probe file

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
class OutputSpec:
    """One output of an artifact."""

    name: str = described("Key in the engine's result.", pattern=OUTPUT_NAME)
    role: Literal["logits", "probabilities", "embedding", "reconstruction"] = described("What the numbers mean.")
    spec: TensorSpec = described("Its shape and code.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Requires:
    """What must be there to run the artifact, found by inspecting its graph."""

    runtimes: tuple[str, ...] = described("Any one of these will do, such as ai-edge-litert.", max_length=16)
    ops: dict[str, int] = described("Highest version of each op in the graph.", default_factory=dict, max_length=512)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Golden inputs with the outputs that this very artifact gave when it was built."""

    file: str = described("npz with x and one y_OUTPUT for each output, all in stored codes.", pattern=FILE_NAME)
    count: int = described("Number of inputs.", ge=1, le=1024)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How far a device's outputs may be from the golden ones, in units of the stored code."""

    exact_lsb: int = described("With default delegates off.", ge=0, default=1)
    delegate_lsb: int = described("With them on, as in production.", ge=0, default=8)
    top1_agreement: float = described("Share of golden inputs with the same largest output.", ge=0, le=1, default=1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One runnable form of the model; everything that is measured belongs to an artifact, not to the bundle."""

    engine: str = described("Which engine runs it: tflite or spiking.", pattern=r"[a-z0-9-]{1,40}")
    file: str = described("The model's file.", pattern=FILE_NAME)
    coding: str | None = described("Execution coding of a spiking artifact.", default=None)
    collapsed: str | None = described(
        "spiking: name of the artifact that is the same function as a TFLite graph.",
        default=None,
        pattern=ARTIFACT_NAME,
    )
    requires: Requires = described("What a device needs.")
    input: TensorSpec = described("The engine's input, batch axis left out.")
    outputs: tuple[OutputSpec, ...] = described("The engine's outputs.", max_length=32)
    profile: str | None = described("Reference profile of its signals (npz).", default=None, pattern=FILE_NAME)
    probe: Probe = described("Golden inputs and outputs.")
    tolerance: Tolerance = described("Allowed difference from the golden outputs.", default_factory=Tolerance)
    acceptance: dict[str, float] = described("Measured figures, units in names.", default_factory=dict, max_length=64)
    float_ops: tuple[str, ...] = described(
        "Operators of a quantised graph that stay in floating point on purpose.", default=(), max_length=512
    )
    threshold: float | None = described(
        "Mean squared reconstruction error above which an input counts as an anomaly.", default=None, ge=0
    )

    def __post_init__(self) -> None:
        """Refuse outputs that cannot be told apart, and a threshold that nothing can be held against."""
        names = [output.name for output in self.outputs]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"at least one output, each with a name of its own, not {shown(names)}")
        reconstruction = self.output("reconstruction")
        if reconstruction is None:
            if self.threshold is not None:
                raise ValueError("a threshold only with an output of role reconstruction")
        elif math.prod(reconstruction.spec.shape) != math.prod(self.input.shape):
            found, wanted = list(reconstruction.spec.shape), list(self.input.shape)
            raise ValueError(f"a reconstruction of as many numbers as the input, not {found} for {wanted}")
        if self.threshold is not None and self.output("logits", "probabilities") is not None:
            raise ValueError("a threshold only without logits or probabilities, which could contradict it")

    def output(self, *roles: str) -> OutputSpec | None:
        """The first output that has one of ``roles``, or None."""
        return next((output for output in self.outputs if output.role in roles), None)

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files that a device needs to run this artifact."""
        return tuple(name for name in (self.file, self.profile, self.probe.file) if name is not None)


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
