"""report.json: the one source of everything that is said about a build; ``report.html`` only draws it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.report.findings import DataFound, Findings, LayerFound, Measured, QuantisationFound
from converter.report.spikes import spikes_document

REPORT_FILE = "report.json"
FORMAT = 2  # 1 had figures of one int8 artifact only
_MAX_CLASSES = 2000  # listed one by one; who reads reports bounds them at 1 MB
_LAYER = ("name", "op", "sqnr_db", "rmse_over_scale", "low", "high", "histogram")


def report_document(findings: Findings) -> dict[str, Any]:
    """The report as plain JSON values; figures that are not finite become null.

    The keys of the first artifact's figures at the top (``float_accuracy``, ``int8_bytes``, ``n_test``, ...) are for
    programs that ask one question; ``artifacts`` has everything.
    """
    identity, first = findings.identity, next(iter(findings.artifacts.values()))
    document: dict[str, Any] = {
        "format": FORMAT,
        "model": identity.model,
        "version": identity.version,
        "serial": identity.serial,
        "task": identity.task,
        "labels": identity.labels,
        "recipe": identity.provenance.recipe,
        **_headline(first),
        "artifacts": {name: _artifact(measured) for name, measured in findings.artifacts.items()},
        "input": identity.input,
        "examples": None if findings.data is None else _examples(findings.data, identity.labels),
        "calibration": findings.quantisation.calibration,
        "quantisation": _quantisation(findings.quantisation),
        "learning": findings.learning,
        "spiking": None if findings.spiking is None else spikes_document(findings.spiking),
        "drift": findings.drift,
        "devices": findings.devices,
        "seconds": findings.seconds,
        "notes": findings.notes,
        "provenance": identity.provenance,
    }
    plain: dict[str, Any] = _plain(document)
    return plain


def report_bytes(document: Mapping[str, Any]) -> bytes:
    """The document as it is stored; small enough for whoever bounds what it reads."""
    return json.dumps(document, indent=1, allow_nan=False).encode() + b"\n"


def _headline(first: Measured) -> dict[str, Any]:
    figures, overall = first.figures, first.figures.overall
    exact = None if overall.float32 is None else overall.float32.value
    is_accuracy = figures.metric == "accuracy"
    return {
        "metric": figures.metric,
        "float_bytes": figures.float_bytes,
        "int8_bytes": figures.size_bytes,
        "float_accuracy": exact if is_accuracy else None,
        "int8_accuracy": overall.artifact.value if is_accuracy else None,
        "float_auc": None if is_accuracy else exact,
        "int8_auc": None if is_accuracy else overall.artifact.value,
        "n_test": figures.n,
        "agreement": figures.agreement,
        "sqnr_db": None if figures.sqnr_db is None else round(figures.sqnr_db, 2),
        "float_difference": figures.float_difference,
    }


def _artifact(measured: Measured) -> dict[str, Any]:
    artifact, figures = measured.artifact, measured.figures
    if len(figures.classes) > _MAX_CLASSES:
        figures = replace(figures, classes=())
    return {
        "mode": measured.mode,
        "file": artifact.file,
        "runtimes": artifact.requires.runtimes,
        "ops": artifact.requires.ops,
        "float_ops": artifact.float_ops,
        "threshold": artifact.threshold,
        "figures": figures,
        "gates": measured.verdicts,
        "cautions": measured.cautions,
    }


def _examples(data: DataFound, labels: tuple[str, ...]) -> dict[str, Any]:
    classes = max(len(labels), int(data.y.max(initial=-1)) + 1)
    return {
        **{name: len(part) for name, part in data.parts.items()},
        "unlabelled": data.unlabelled,
        "classes": _counted(data.y, classes),
        "classes_by_part": {name: _counted(data.y[part], classes) for name, part in data.parts.items()},
        "groups": [] if data.group is None else _groups(data, data.group),
    }


def _groups(data: DataFound, group: NDArray[np.int64]) -> list[dict[str, Any]]:
    found = []
    for number in np.unique(group).tolist():
        name = data.group_names[number] if 0 <= number < len(data.group_names) else str(number)
        counts = {part: int((group[chosen] == number).sum()) for part, chosen in data.parts.items()}
        found.append({"name": name, **counts})
    return found


def _counted(y: NDArray[np.int64], classes: int) -> list[int]:
    counts: list[int] = np.bincount(y, minlength=classes).tolist()
    return counts


def _quantisation(found: QuantisationFound) -> dict[str, Any]:
    return {
        "calibration": found.calibration,
        "trained": found.trained,
        "kept_float": found.kept_float,
        "fallback": found.fallback,
        "layers": [_layer(layer) for layer in found.layers],
    }


def _layer(layer: LayerFound) -> dict[str, Any]:
    return {name: getattr(layer, name) for name in _LAYER}


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON values
    """JSON values of dataclasses, mappings and sequences."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
