"""Reads the profile of an artifact out of its published bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from deploy.errors import UnknownIdError
from edge_models.bundle import open_manifest
from edge_models.manifest import BundleId, short
from edge_models.profile import Profile


class Profiles(Protocol):
    """Where profiles are."""

    def profile(self, bundle: str, artifact: str) -> Profile:
        """The profile of an artifact."""


class _Directories(Protocol):
    def bundle_dir(self, bundle: BundleId) -> Path:
        """A published bundle as a directory to read from."""


class PublishedProfiles:
    """Profiles of published bundles.

    Args:
        bundles: The registry.
    """

    def __init__(self, bundles: _Directories) -> None:
        self._bundles = bundles

    def profile(self, bundle: str, artifact: str) -> Profile:
        """The profile of an artifact.

        Raises:
            UnknownIdError: The artifact has none.
            DeployError: The bundle is not published.
            EdgeModelsError: Bundle or profile are damaged.
        """
        opened = open_manifest(self._bundles.bundle_dir(BundleId(bundle)))
        name = opened.artifact(artifact).profile
        if name is None:
            raise UnknownIdError(
                f"artifact {artifact} of bundle {short(BundleId(bundle))}: has no profile; build it again to have one"
            )
        return Profile.from_npz(opened.read(name))
