"""Which runtimes are here and which artifact of a bundle they can run; standard library only.

The supervisor asks these questions and must stay small, so no runtime and no numpy is imported before ``open_engine``.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from edge_models.engines.opversions import too_new
from edge_models.errors import EngineError, RuntimeMissingError, UnsupportedArtifactError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from edge_models.bundle import Bundle
    from edge_models.engines.port import Engine
    from edge_models.manifest import Artifact, Manifest, Requires

TFLITE_RUNTIMES = ("ai-edge-litert", "tflite-runtime")
"""Distributions with a TFLite interpreter, the preferred one first."""
NUMPY = "numpy"
"""What a spiking artifact requires: its reference executor needs nothing else."""


def available_runtimes() -> dict[str, str]:
    """Version of each installed and usable runtime by distribution name, from package metadata alone."""
    names = (*TFLITE_RUNTIMES, NUMPY)
    return usable_runtimes({name: version for name in names if (version := _version(name)) is not None})


def usable_runtimes(installed: Mapping[str, str]) -> dict[str, str]:
    """The runtimes among ``installed`` distributions that can work, with their versions, the preferred one first.

    All need numpy, which alone runs spiking networks and therefore is one itself. tflite-runtime does not count beside
    numpy 2: it declares no upper bound and imports, but cannot construct an interpreter there. The proof by
    construction is made when an engine is opened.
    """
    major = re.match(r"\d+", installed.get(NUMPY, ""))
    if major is None:
        return {}
    works = {"ai-edge-litert": True, "tflite-runtime": int(major[0]) < 2, NUMPY: True}
    return {name: installed[name] for name in works if name in installed and works[name]}


def choose_artifact(manifest: Manifest, runtimes_available: Iterable[str], preferred: str | None = None) -> str:
    """The name of the artifact that a device with these runtimes runs.

    Without a preference int8 TFLite comes first, then other TFLite, then the rest by name; the collapsed form of
    another artifact comes last.

    Args:
        manifest: Of the bundle.
        runtimes_available: As from ``available_runtimes``, or texts ``NAME==VERSION`` or ``NAME``; a version that is
            not given counts as the one that ``op_versions.json`` was measured on.
        preferred: What the operator asks for; nothing else is taken then.

    Raises:
        UnsupportedArtifactError: ``preferred`` is not in the bundle, or the runtimes here lack operators; the text
            names them.
        RuntimeMissingError: No runtime here runs it, or any.
    """
    here = _versions(runtimes_available)
    if preferred is not None and preferred not in manifest.artifacts:
        known = ", ".join(manifest.artifacts)
        raise UnsupportedArtifactError(f"{manifest.model} {manifest.version} has no artifact {preferred}, only {known}")
    candidates = (
        [preferred] if preferred is not None else sorted(manifest.artifacts, key=lambda name: _rank(manifest, name))
    )
    for name in candidates:
        if able_runtimes(manifest.artifacts[name].requires, here):
            return name
    raise _none_runs(manifest, candidates, here)


def able_runtimes(requires: Requires, here: Mapping[str, str | None]) -> tuple[str, ...]:
    """The runtimes that an artifact names and that load its operators, of those that are here with their versions."""
    named = (name for name in here if name in requires.runtimes)
    return tuple(name for name in named if not too_new(requires.ops, name, here[name]))


def device_files(manifest: Manifest, name: str, runtimes_available: Iterable[str]) -> tuple[str, ...]:
    """The files that a device with these runtimes needs to run an artifact, each once.

    A spiking artifact also brings the file of its collapsed form where a runtime loads that: it is the faster one for
    stills, and without it the artifact runs all the same.

    Args:
        manifest: Of the bundle.
        name: The artifact, one of the manifest's.
        runtimes_available: As for ``choose_artifact``.
    """
    artifact = manifest.artifacts[name]
    files = artifact.files
    if artifact.collapsed is not None:
        graph = manifest.artifacts[artifact.collapsed]
        if able_runtimes(graph.requires, _versions(runtimes_available)):
            files = (*files, graph.file)
    return tuple(dict.fromkeys(files))


def open_engine(
    bundle: Bundle,
    artifact_name: str,
    *,
    num_threads: int = 1,
    delegates: bool = True,
    stream: bool = False,
    hold: int = 0,
    clock_ns: Callable[[], int] = time.process_time_ns,
) -> Engine:
    """Load an artifact into the engine that its manifest names.

    Args:
        bundle: Opened, so its files are known to be right.
        artifact_name: Which artifact.
        num_threads: For the runtime; more than 1 was slower for small models on every machine measured.
        delegates: False for the runtime's plain kernels, which agree between machines.
        stream: The frames will follow each other: a spiking network keeps state between them where that saves work.
            The answers are the same.
        hold: With ``stream``, for a spiking network: an input that differs from the value last taken by less than so
            many codes keeps that value (send-on-delta). 0 and 1 are exact.
        clock_ns: CPU time; a spiking engine compares executors by it.

    Raises:
        BundleError: No such artifact, or its file changed.
        RuntimeMissingError: No working runtime for its engine.
        UnsupportedArtifactError: The runtime refuses it, or no engine of that name exists.
    """
    artifact = bundle.artifact(artifact_name)
    match artifact.engine:
        case "tflite":
            from edge_models.engines.tflite import TfliteEngine

            return TfliteEngine(artifact, bundle.read(artifact.file), num_threads=num_threads, delegates=delegates)
        case "spiking":
            from edge_models.engines.spiking import SpikingOptions, open_spiking

            options = SpikingOptions(
                num_threads=num_threads, delegates=delegates, stream=stream, hold=hold, clock_ns=clock_ns
            )
            return open_spiking(bundle, artifact_name, options)
        case other:
            raise UnsupportedArtifactError(
                f"artifact {artifact_name} is for engine {other}, expected tflite or spiking; update this program"
            )


def _versions(runtimes: Iterable[str]) -> dict[str, str | None]:
    """Version of each runtime, None where only its name is known."""
    if isinstance(runtimes, Mapping):
        return dict(runtimes)
    parts = (text.partition("==") for text in runtimes)
    return {name: version or None for name, _, version in parts}


def _none_runs(manifest: Manifest, candidates: list[str], here: Mapping[str, str | None]) -> EngineError:
    """Why no candidate runs: operators that are too new where there are any, else a runtime that is missing."""
    required = [manifest.artifacts[name].requires for name in candidates]
    label = f"{manifest.model} {manifest.version}"
    newer = {phrase for requires in required for name in here for phrase in too_new(requires.ops, name, here[name])}
    wanted = " or ".join(sorted({name for requires in required for name in requires.runtimes})) or "no known runtime"
    if newer:
        return UnsupportedArtifactError(f"{label} needs {'; '.join(sorted(newer))}; it runs on {wanted}")
    return RuntimeMissingError(
        f"{label} needs {wanted}, found {', '.join(sorted(here)) or 'none'}; install one of them"
    )


def _rank(manifest: Manifest, name: str) -> tuple[int, str]:
    artifact: Artifact = manifest.artifacts[name]
    if any(other.collapsed == name for other in manifest.artifacts.values()):
        return 3, name
    if artifact.engine != "tflite":
        return 2, name
    return (0 if artifact.input.dtype == "int8" else 1), name


def _version(distribution: str) -> str | None:
    from importlib import metadata  # brings the email package along, which a supervisor does without

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
