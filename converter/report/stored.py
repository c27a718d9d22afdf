"""The document of a bundle: its report.json, or what its manifest tells where it has none of the present form."""

from __future__ import annotations

import json
from typing import Any

from converter.errors import DatasetError
from converter.measure import Comparison, Estimate, Figures, MetricName, wilson
from converter.report.document import FORMAT, REPORT_FILE, report_document
from converter.report.findings import Findings, Measured
from edge_models.bundle import Bundle
from edge_models.manifest import Artifact

_METRICS: tuple[MetricName, ...] = ("accuracy", "auc")


def stored_document(bundle: Bundle) -> dict[str, Any]:
    """What the bundle says of itself, with its id.

    Raises:
        DatasetError: Nothing was measured on it.
        IntegrityError: report.json is not what the manifest signs.
    """
    document: dict[str, Any] = {}
    if REPORT_FILE in bundle.manifest.files:
        found = json.loads(bundle.read(REPORT_FILE))
        document = found if isinstance(found, dict) else {}
    if document.get("format") != FORMAT:
        document = report_document(_findings(bundle))
    return {**document, "bundle": bundle.id}


def _findings(bundle: Bundle) -> Findings:
    artifacts = {}
    for name, artifact in bundle.manifest.artifacts.items():
        figures = _figures(bundle, artifact)
        if figures is not None:
            artifacts[name] = Measured(artifact=artifact, mode=name.removeprefix("tflite-"), figures=figures)
    if not artifacts:
        raise DatasetError(
            f"{bundle.directory}: found no {REPORT_FILE} and no measured figures in the manifest, expected one of "
            "them; measure the bundle with `driftline-convert evaluate`"
        )
    note = f"this bundle has no {REPORT_FILE} of the present form, so only what its manifest says is shown"
    return Findings(identity=bundle.manifest, artifacts=artifacts, notes=(note,))


def _figures(bundle: Bundle, artifact: Artifact) -> Figures | None:
    """The acceptance figures; an interval only where the number of examples is known."""
    said = artifact.acceptance
    metric = next((name for name in _METRICS if name in said), None)
    if metric is None:
        return None
    n = round(said.get("n_test", 0))
    exact = said.get(f"float_{metric}")
    overall = Comparison(
        artifact=_estimate(said[metric], n, metric),
        float32=None if exact is None else _estimate(exact, n, metric),
        drop=None,
    )
    return Figures(
        metric=metric,
        n=n,
        overall=overall,
        agreement=said.get("agreement"),
        sqnr_db=said.get("sqnr_db"),
        size_bytes=bundle.manifest.files[artifact.file].size,
    )


def _estimate(value: float, n: int, metric: MetricName) -> Estimate:
    if metric == "accuracy" and n > 0 and 0 <= value <= 1:
        return wilson(round(value * n), n)
    return Estimate(value=value, low=value, high=value)
