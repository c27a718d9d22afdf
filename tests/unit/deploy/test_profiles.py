"""Profiles out of published bundles."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.errors import UnknownIdError
from deploy.fleet.profiles import PublishedProfiles
from edge_models.errors import BundleError
from edge_models.manifest import BundleId
from tests.unit.deploy.fakes import write_fake_bundle
from tests.unit.deploy.fleets import reference


@dataclass
class OneBundle:
    """A registry with one bundle."""

    directory: Path

    def bundle_dir(self, _bundle: BundleId) -> Path:
        return self.directory


def profiles(folder: Path, profile: bytes | None) -> tuple[PublishedProfiles, BundleId]:
    written = write_fake_bundle(folder, serial=1, version="1", accuracy=None, profile=profile)
    return PublishedProfiles(OneBundle(written.directory)), written.id


def test_a_profile_is_the_one_that_the_bundle_holds(tmp_path: Path) -> None:
    known, bundle = profiles(tmp_path / "b", reference().to_npz())

    assert known.profile(bundle, "tflite-int8").id == reference().id


def test_an_artifact_without_a_profile_is_told(tmp_path: Path) -> None:
    known, bundle = profiles(tmp_path / "b", None)

    with pytest.raises(UnknownIdError, match="has no profile; build it again"):
        known.profile(bundle, "tflite-int8")


def test_a_bundle_without_the_artifact_is_told(tmp_path: Path) -> None:
    known, bundle = profiles(tmp_path / "b", None)

    with pytest.raises(BundleError, match="has no artifact tflite-float"):
        known.profile(bundle, "tflite-float")
