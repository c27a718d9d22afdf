"""A bundle's artifact, proven against its manifest and loaded into its engine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent.ipc import Configure
from edge_models.bundle import Bundle, open_bundle, open_manifest
from edge_models.engines import open_engine
from edge_models.engines.port import Engine
from edge_models.profile import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedModel:
    """An artifact that is loaded and proven against its manifest."""

    bundle: Bundle
    artifact_name: str
    engine: Engine
    profile: Profile | None


def open_model(
    directory: Path, artifact_name: str, *, expected_id: str | None = None, stream: bool = False, hold_codes: int = 0
) -> OpenedModel:
    """Check an artifact's files, read its profile and load it into its engine.

    Args:
        directory: Of the bundle.
        artifact_name: Which artifact.
        expected_id: Id that the bundle must have.
        stream: Whether its frames will follow each other, see ``open_engine``.
        hold_codes: Send-on-delta of a spiking network's input, see ``open_engine``.

    Raises:
        BundleError: The bundle is not what its manifest says.
        EngineError: No runtime here runs the artifact.
    """
    artifact = open_manifest(directory).artifact(artifact_name)
    bundle = open_bundle(directory, expected_id=expected_id, files=artifact.files)
    profile = None
    if artifact.profile is not None:
        signed = bundle.manifest.files[artifact.file].sha256
        profile = Profile.from_npz(bundle.read(artifact.profile), artifact_sha256=signed)
    engine = open_engine(bundle, artifact_name, stream=stream, hold=hold_codes)
    return OpenedModel(bundle=bundle, artifact_name=artifact_name, engine=engine, profile=profile)


def open_configured(configure: Configure) -> OpenedModel:
    """The model that an active worker is to run; raises as ``open_model``."""
    return open_model(
        Path(configure.bundle_dir),
        configure.artifact,
        expected_id=configure.bundle,
        stream=configure.source is not None,
        hold_codes=configure.hold_codes,
    )
