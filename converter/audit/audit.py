"""The whole audit: every check over one data set, findings in the order of their weight."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.audit.balance import balance_findings
from converter.audit.duplicates import duplicate_findings
from converter.audit.field import FieldGap, gap_findings
from converter.audit.finding import Finding, Severity, Subject
from converter.audit.shortcuts import shortcut_findings
from converter.audit.values import value_findings
from converter.datasets import Dataset, Splits, load_dataset
from converter.datasets.parts import ANOMALY_LABELS, divided, divided_anomaly, fixed_parts, is_anomaly
from converter.errors import CutGroupError, DatasetError
from converter.preparation import input_spec, windowed
from converter.progress import Progress
from converter.recipe import Recipe

CHECKS: tuple[tuple[str, Callable[[Subject], Iterator[Finding]]], ...] = (
    ("balance", balance_findings),
    ("values", value_findings),
    ("leakage", shortcut_findings),
    ("duplicates", duplicate_findings),
)
_ORDER = {severity: number for number, severity in enumerate(Severity)}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Audit:
    """What was found.

    Attributes:
        data: The examples.
        parts: How they are divided; None when they cannot be.
        findings: The most severe first.
        gap: To the field; None when it was not asked for.
    """

    data: Dataset
    parts: Splits | None
    findings: tuple[Finding, ...]
    gap: FieldGap | None

    @property
    def is_clean(self) -> bool:
        """No finding above a note."""
        return all(finding.severity is Severity.NOTE for finding in self.findings)

    def document(self) -> dict[str, Any]:
        """The same as JSON."""
        data, parts = self.data, self.parts
        counts = np.bincount(data.y, minlength=len(data.labels)).tolist()
        sizes = None if parts is None else {name: len(getattr(parts, name)) for name in ("train", "profile", "test")}
        groups: dict[str, int] = {}
        if data.group is not None:
            of_group = np.bincount(data.group, minlength=len(data.groups)).tolist()
            groups = dict(zip(data.groups, of_group, strict=True))
        return {
            "n": len(data.x),
            "shape": list(data.x.shape[1:]),
            "dtype": str(data.x.dtype),
            "sha256": data.sha256,
            "classes": dict(zip(data.labels, counts, strict=True)),
            "groups": groups,
            "parts": sizes,
            "findings": [asdict(finding) for finding in self.findings],
            "gap": None if self.gap is None else asdict(self.gap) | {"signals": _signals(self.gap)},
            "ok": self.is_clean,
        }


def _signals(gap: FieldGap) -> list[dict[str, Any]]:
    return [asdict(signal) | {"verdict": signal.verdict} for signal in gap.signals]


def audit(recipe: Recipe, progress: Progress, against: Callable[[Dataset], FieldGap] | None = None) -> Audit:
    """Audit the data of a recipe.

    Args:
        recipe: The recipe; its network and training do not matter.
        progress: Told after each check.
        against: Compares the data with the field; None for not at all.

    Raises:
        DatasetError: The data cannot be read.
        RecipeError: The recipe's windows do not fit them.
    """
    section = recipe.dataset
    data = load_dataset(section, seed=recipe.training.seed, progress=progress)
    findings: list[Finding] = []
    part = None
    try:
        part = fixed_parts(data, section)
    except CutGroupError as exc:
        findings.append(_cut_group(exc))
    data, part = windowed(recipe, data, part, input_spec(recipe, data))
    parts: Splits | None = None
    try:
        if recipe.task == "anomaly":
            y = is_anomaly(data, section)
            parts = divided_anomaly(y, data, section, part, recipe.training.seed)
            data = _anomalous(data, y)
        else:
            parts = divided(data, section, part, recipe.training.seed)
    except DatasetError as exc:
        findings.append(
            Finding(
                check="parts",
                severity=Severity.HIGH,
                what=str(exc),
                advice="bring more examples or groups, or let the recipe say what the test part is",
            )
        )
    subject = Subject(data=data, kind=recipe.input.kind, parts=parts, by_blocks=section.blocks is not None)
    for number, (name, check) in enumerate(CHECKS, start=1):
        progress.step("audit", number - 1, len(CHECKS), name)
        findings += check(subject)
    progress.step("audit", len(CHECKS), len(CHECKS))
    gap = None if against is None else against(data)
    findings += [] if gap is None else gap_findings(gap)
    return Audit(
        data=data, parts=parts, findings=tuple(sorted(findings, key=lambda found: _ORDER[found.severity])), gap=gap
    )


def _cut_group(exc: CutGroupError) -> Finding:
    return Finding(
        check="leakage",
        severity=Severity.HIGH,
        what=str(exc),
        advice="a model that has seen a group in training is tested too kindly on it; keep each group in one part",
    )


def _anomalous(data: Dataset, y: NDArray[np.int64]) -> Dataset:
    return replace(data, y=y, labels=ANOMALY_LABELS)
