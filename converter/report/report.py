"""report.json of the first build; ``report_document`` takes its place."""

from __future__ import annotations

import json

import numpy as np

from converter.measure import Figures
from converter.preparation import Prepared
from converter.recipe import Recipe
from converter.retraining import Plan
from converter.training.fit import Curve


def report_json(
    recipe: Recipe, figures: Figures, curve: Curve, prepared: Prepared, plan: Plan, seconds: dict[str, float]
) -> bytes:
    """The report's bytes; every figure says on how many examples it stands."""
    overall = figures.overall
    document = {
        "model": recipe.model,
        "version": recipe.version,
        "recipe": recipe.name,
        "float_bytes": figures.float_bytes,
        "int8_bytes": figures.size_bytes,
        "float_accuracy": None if overall.float32 is None else overall.float32.value,
        "int8_accuracy": overall.artifact.value,
        "n_test": figures.n,
        "agreement": figures.agreement,
        "sqnr_db": None if figures.sqnr_db is None else round(figures.sqnr_db, 2),
        "float_difference": figures.float_difference,
        "examples": {
            "train": len(prepared.parts.train),
            "profile": len(prepared.parts.profile),
            "test": len(prepared.parts.test),
            "classes": np.bincount(prepared.data.y, minlength=len(prepared.data.labels)).tolist(),
        },
        "calibration": min(recipe.quantize.calibration, len(prepared.parts.train)),
        "curve": {"loss": curve.loss, "accuracy": curve.accuracy},
        "devices": plan.findings,
        "seconds": seconds,
    }
    return json.dumps(document, indent=1).encode() + b"\n"
