"""From measured artifacts to a bundle: the files of each, the manifest over all of them, and nothing half-written."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from converter.artifact import Runnable, probe_npz, with_tolerance
from converter.errors import OutputError
from converter.gates import Verdict
from converter.measure import Figures
from converter.profile import ShiftRow, take_profile
from converter.progress import Progress
from converter.report.document import REPORT_FILE, report_bytes
from converter.report.page import report_page
from edge_models.bundle import Bundle, file_entries, write_bundle
from edge_models.manifest import (
    FORMAT_VERSION,
    MANIFEST_NAME,
    Artifact,
    InputSpec,
    Manifest,
    Provenance,
    Waiver,
)
from edge_models.profile import Profile

REPORT_PAGE = "report.html"
_TOOLS = ("tensorflow", "tensorflow-cpu", "keras", "ai-edge-litert", "numpy", "driftline")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reference:
    """Held-out examples that show what is normal: profile and golden inputs are taken from them.

    Attributes:
        spec: What the device is told about its input.
        inputs: Preprocessed, (n, ...).
        y: Class of each, (n,).
        classes: Number of labels.
        groups: Which of them, (n,), are of each condition that is all right; those of none are the reference.
    """

    spec: InputSpec
    inputs: NDArray[np.float32]
    y: NDArray[np.int64]
    classes: int
    groups: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Finished:
    """One artifact with all that is stored with it.

    Attributes:
        name: In the bundle.
        artifact: Its entry in the manifest.
        files: By name.
        profile: Its reference; None without one.
        cost: What shifts cost it and what was estimated, kinds of shifts left out in turn.
    """

    name: str
    artifact: Artifact
    files: Mapping[str, bytes]
    profile: Profile | None = None
    cost: tuple[ShiftRow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a bundle says of itself as a whole."""

    model: str
    version: str
    serial: int
    task: Literal["classification", "anomaly"]
    labels: tuple[str, ...]
    input: InputSpec
    provenance: Provenance


def finish(runnable: Runnable, figures: Figures, reference: Reference, progress: Progress | None = None) -> Finished:
    """Take golden inputs, tolerance and profile of an artifact whose threshold, if it needs one, is set."""
    probe = probe_npz(runnable, reference.inputs, reference.y)
    settled = with_tolerance(runnable, probe)
    artifact = settled.measured(figures)
    files = {artifact.file: settled.data, artifact.probe.file: probe}
    if artifact.profile is None:
        return Finished(name=runnable.name, artifact=artifact, files=files)
    taken = take_profile(
        settled,
        reference.spec,
        reference.inputs,
        reference.classes,
        y=reference.y,
        groups=reference.groups,
        progress=progress,
    )
    files[artifact.profile] = taken.profile.to_npz()
    return Finished(name=runnable.name, artifact=artifact, files=files, profile=taken.profile, cost=taken.cost)


def write(output: Path, identity: Identity, artifacts: Sequence[Finished], more: Mapping[str, bytes]) -> Bundle:
    """Write artifacts and ``more`` files as a bundle, whole or not at all."""
    files = {name: data for artifact in artifacts for name, data in artifact.files.items()} | dict(more)
    manifest = Manifest(
        format_version=FORMAT_VERSION,
        model=identity.model,
        version=identity.version,
        serial=identity.serial,
        task=identity.task,
        labels=identity.labels,
        input=identity.input,
        provenance=identity.provenance,
        files=file_entries(files),
        artifacts={artifact.name: artifact.artifact for artifact in artifacts},
    )
    return write_bundle(output, manifest, files)


def with_threshold(runnable: Runnable, reference: Reference) -> Runnable:
    """The artifact that knows from which score on an input is an anomaly, if it is one that has scores."""
    if runnable.artifact.output("reconstruction") is None:
        return runnable
    return runnable.with_threshold(runnable.answers(reference.inputs).signals[:, 0])


def report_files(document: Mapping[str, Any]) -> dict[str, bytes]:
    """The report in all its forms, by file name."""
    return {REPORT_FILE: report_bytes(document), REPORT_PAGE: report_page(document).encode()}


def waivers(verdicts: Iterable[Verdict]) -> tuple[Waiver, ...]:
    """What the manifest says of gates that were missed and allowed."""
    return tuple(
        Waiver(gate=verdict.gate, found=verdict.found, limit=verdict.limit) for verdict in verdicts if verdict.waived
    )


def check_output(directory: Path) -> None:
    """Say before the work, not after it, that ``directory`` cannot take a bundle.

    Raises:
        OutputError: It is a file, holds something else than a bundle, or cannot be made.
    """
    existing = next(path for path in (directory, *directory.parents, Path.cwd()) if path.exists())
    if not existing.is_dir():
        raise OutputError(f"--output {directory}: {existing} is a file, expected a directory to write the bundle to")
    if existing == directory and any(directory.iterdir()) and not (directory / MANIFEST_NAME).is_file():
        raise OutputError(f"--output {directory}: found other files in it, expected an empty directory or a bundle")
    writable = directory.absolute().parent if existing == directory else existing  # it is replaced, not written into
    if not os.access(writable, os.W_OK):
        raise OutputError(f"--output {directory}: {writable} cannot be written to; choose another directory")


def versions() -> dict[str, str]:
    """Versions of what builds bundles, of what is installed."""
    found = {}
    for name in _TOOLS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
