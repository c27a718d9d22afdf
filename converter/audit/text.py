"""An audit for people: what was looked at, then findings by weight with what to do."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from converter.audit.audit import Audit
from converter.audit.field import FieldGap
from converter.audit.finding import Finding, Severity

WIDTH = 110
_INDENT = " " * 10
_MARKS = {Severity.HIGH: "HIGH", Severity.MEDIUM: "medium", Severity.NOTE: "note"}
_MANY = 12  # classes or groups that are listed one by one


def audit_text(found: Audit) -> str:
    """The audit as lines of at most 110 characters."""
    lines = [*_summary(found)]
    if found.gap is not None:
        lines += ["", *_gap(found.gap)]
    for finding in found.findings:
        lines += ["", *_finding(finding)]
    counts = [f"{sum(f.severity is severity for f in found.findings)} {severity}" for severity in Severity]
    lines += ["", f"findings: {', '.join(counts)}" if found.findings else "nothing found"]
    return "\n".join(lines) + "\n"


def _summary(found: Audit) -> Iterator[str]:
    data = found.data
    yield f"data      {len(data.x)} examples, {data.x.dtype}{list(data.x.shape[1:])}"
    yield from _counted("classes", data.labels, np.bincount(data.y, minlength=len(data.labels)))
    if data.group is None:
        yield "groups    none: a split may put the same site, device or person into training and test"
    else:
        yield from _counted("groups", data.groups, np.bincount(data.group, minlength=len(data.groups)))
    if found.parts is not None:
        sizes = (f"{name} {len(getattr(found.parts, name))}" for name in ("train", "profile", "test"))
        left_out = len(data.x) - sum(len(part) for part in found.parts.all)
        more = f", {left_out} in no part: anomalies of groups that are learnt from" if left_out else ""
        yield f"parts     {', '.join(sizes)}{more}"


def _counted(what: str, names: tuple[str, ...], counts: NDArray[np.intp]) -> Iterator[str]:
    if len(names) > _MANY:
        listed = f"{len(names)}, of {counts.min()} to {counts.max()} examples"
    else:
        listed = ", ".join(f"{name} {count}" for name, count in zip(names, counts.tolist(), strict=True))
    yield from textwrap.wrap(f"{what:<10}{listed}", WIDTH, subsequent_indent=_INDENT)


def _finding(finding: Finding) -> Iterator[str]:
    head = f"{_MARKS[finding.severity]:<10}{finding.check}: {finding.what}"
    yield from textwrap.wrap(head, WIDTH, subsequent_indent=_INDENT)
    for example in finding.examples:
        yield f"{_INDENT}  {example}"
    yield from textwrap.wrap(f"{_INDENT}-> {finding.advice}", WIDTH, subsequent_indent=_INDENT + "   ")


def _gap(gap: FieldGap) -> Iterator[str]:
    yield f"field     {gap.frames} frames in {gap.sketches} sketches; distance 0 is the same, 1 has nothing in common"
    yield f"{_INDENT}{'signal':<14}{'data':>10}{'field':>10}{'distance':>10}  verdict"
    for signal in gap.signals:
        data = "-" if signal.data is None else f"{signal.data:.3g}"
        distance = signal.reference if signal.distance is None else signal.distance
        origin = "" if signal.distance is not None else " (from the bundle's reference)"
        yield (
            f"{_INDENT}{signal.signal:<14}{data:>10}{signal.field:>10.3g}{distance:>10.2f}  {signal.verdict}{origin}"
        )
