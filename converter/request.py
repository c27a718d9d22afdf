"""What a retraining is given besides the recipe: evidence of the devices, labelled samples, the bundle to replace."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.datasets.arrays import load_arrays, read_examples
from converter.errors import DatasetError, RequestError
from edge_models.bundle import Bundle
from edge_models.errors import EdgeModelsError, FieldError, SketchError
from edge_models.fields import decode_json, described
from edge_models.manifest import SHA256
from edge_models.profile import Profile
from edge_models.sketch import Sketch

MAX_EVIDENCE_BYTES = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceEvidence:
    """What one device saw, as its model request carried it."""

    request: str = described("Request that brought it.", default="", max_length=64)
    device: str = described("Device.", max_length=64)
    bundle: str = described("Bundle that it held.", default="", pattern=rf"({SHA256})?")
    artifact: str | None = described("Artifact that it ran.", default=None, max_length=40)
    profile: str = described("Id of the profile that the sketch belongs to.", max_length=16)
    sketch: str = described("Histograms of the drifted input.", max_length=4096)
    effects: dict[str, float] = described("Distance of each signal from its reference.", default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceFile:
    """E.json."""

    v: int = described("Version of the form.", default=1, ge=1, le=1)
    evidence: tuple[DeviceEvidence, ...] = described("One entry for each request.", max_length=10000)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Samples:
    """Labelled frames that devices delivered.

    Attributes:
        x: Frames (n, ...) as the source delivers them.
        y: True classes (n,).
        group: Number of the device of each (n,).
    """

    x: NDArray[Any]
    y: NDArray[np.int64]
    group: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Retraining:
    """Everything that a retraining knows.

    Attributes:
        sketches: What each asking device saw.
        profile: The reference that the sketches are counted against; None without evidence.
        samples: Delivered samples; None for none.
        devices: Names of the devices that contributed.
    """

    sketches: tuple[Sketch, ...]
    profile: Profile | None
    samples: Samples | None
    devices: tuple[str, ...]


def read_retraining(evidence: Path | None, samples: Path | None, parent: Bundle | None) -> Retraining:
    """Read and check all files of a retraining.

    Raises:
        RequestError: One is missing, malformed, or does not belong to the parent bundle.
    """
    entries = () if evidence is None else _read_evidence(evidence)
    if entries and parent is None:
        raise RequestError("--evidence: its sketches are counted against the profile of --parent, which is missing")
    profile = None if parent is None or not entries else _profile(parent, entries)
    sketches = () if profile is None else tuple(_sketch(entry, profile) for entry in entries)
    return Retraining(
        sketches=sketches,
        profile=profile,
        samples=None if samples is None else _read_samples(samples),
        devices=tuple(sorted({entry.device for entry in entries})),
    )


def read_unlabelled(path: Path) -> NDArray[Any]:
    """Frames (n, ...) of an npz file; classes in it are passed over.

    Raises:
        RequestError: It cannot be read, or holds no frames.
    """
    try:
        return load_arrays(path, labelled=False).x
    except DatasetError as exc:
        raise RequestError(str(exc)) from exc


def _read_evidence(path: Path) -> tuple[DeviceEvidence, ...]:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_EVIDENCE_BYTES + 1)
        return decode_json(EvidenceFile, data, max_bytes=MAX_EVIDENCE_BYTES).evidence
    except OSError as exc:
        raise RequestError(f"{path}: {exc.strerror}; expected the evidence of model requests") from exc
    except FieldError as exc:
        raise RequestError(f"{path}: {exc}") from exc


def _profile(parent: Bundle, entries: tuple[DeviceEvidence, ...]) -> Profile:
    wanted = {entry.profile for entry in entries}
    for artifact in parent.manifest.artifacts.values():
        if artifact.profile is None:
            continue
        try:
            profile = Profile.from_npz(parent.read(artifact.profile))
        except EdgeModelsError as exc:
            raise RequestError(f"--parent: {exc}") from exc
        if profile.id in wanted:
            return profile
    raise RequestError(f"--evidence speaks of profile {', '.join(sorted(wanted))}, the parent bundle has another")


def _sketch(entry: DeviceEvidence, profile: Profile) -> Sketch:
    try:
        sketch = Sketch.decode(entry.sketch)
        sketch.distance(profile)  # refuses the sketch of another profile
    except SketchError as exc:
        raise RequestError(f"evidence of {entry.device}: {exc}") from exc
    return sketch


def _read_samples(path: Path) -> Samples:
    try:
        x, y, group = read_examples(path)
    except DatasetError as exc:
        raise RequestError(str(exc)) from exc
    return Samples(x=x, y=y, group=np.zeros(len(y), np.int64) if group is None else group)
