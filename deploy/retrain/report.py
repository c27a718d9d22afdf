"""What the converter's own report says about a bundle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deploy.retrain.judge import PREFERRED_ARTIFACT
from edge_models.bundle import open_manifest
from edge_models.errors import BundleError, FieldError
from edge_models.fields import decode_json, described
from edge_models.manifest import Manifest

REPORT_NAME = "report.json"
MAX_REPORT_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class OldTest:
    """Accuracy, or AUC of an anomaly model, on the recipe's test split."""

    n: int | None
    accuracy: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Report:
    n_test: int | None = described("Size of the test split.", default=None, ge=0)
    int8_accuracy: float | None = described("Accuracy of the int8 artifact on it.", default=None, ge=0, le=1)
    int8_auc: float | None = described("Its AUC, for anomalies.", default=None, ge=0, le=1)


def judged_artifact(manifest: Manifest, preferred: str | None = None) -> str:
    """The artifact whose figures decide: the preferred one, or the int8 one, which most devices run, or the first.

    Raises:
        BundleError: There is none of the preferred name.
    """
    if preferred is not None and preferred not in manifest.artifacts:
        raise BundleError(
            f"{manifest.model} {manifest.version} has no artifact {preferred}, which retrain.artifact names, only "
            f"{', '.join(manifest.artifacts)}; build it with a recipe that makes one"
        )
    if preferred is not None:
        return preferred
    return PREFERRED_ARTIFACT if PREFERRED_ARTIFACT in manifest.artifacts else next(iter(manifest.artifacts))


def old_test(directory: Path, preferred: str | None = None) -> OldTest:
    """What report.json of a bundle says, or else the artifact's acceptance figures.

    Args:
        directory: Of the bundle.
        preferred: Artifact that is asked about, by its acceptance figures; as ``judged_artifact`` chooses when None.

    Raises:
        BundleError: It is no bundle, or its report is not what the manifest signs.
    """
    bundle = open_manifest(directory)
    said = bundle.manifest.artifacts[judged_artifact(bundle.manifest, preferred)].acceptance
    n = round(said["n_test"]) if preferred is not None and "n_test" in said else None
    fallback = OldTest(n=n, accuracy=said.get("accuracy", said.get("auc")))
    if preferred is not None or REPORT_NAME not in bundle.manifest.files:
        return fallback
    try:
        report = decode_json(_Report, bundle.read(REPORT_NAME), max_bytes=MAX_REPORT_BYTES)
    except FieldError as exc:
        raise BundleError(f"{directory / REPORT_NAME}: {exc}") from exc
    reached = (report.int8_accuracy, report.int8_auc, fallback.accuracy)
    return OldTest(n=report.n_test, accuracy=next((found for found in reached if found is not None), None))
