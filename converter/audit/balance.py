"""How many examples each class, group and part has."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from converter.audit.finding import Finding, Severity, Subject, share

UNEVEN, VERY_UNEVEN = 3.0, 10.0  # largest class or group over the smallest
FEW = 20  # examples of a class that hardly teach it
SURE = 500  # test examples below which the gate's interval is not judged
_SHIFT = 0.15  # total variation between the classes of two parts


def balance_findings(subject: Subject) -> Iterator[Finding]:
    """Findings about classes, groups and parts of very different sizes."""
    yield from _classes(subject)
    yield from _groups(subject)
    yield from _parts(subject)


def _classes(subject: Subject) -> Iterator[Finding]:
    data = subject.data
    counts = np.bincount(data.y, minlength=len(data.labels))
    few = [f"{name} {count}" for name, count in zip(data.labels, counts, strict=True) if count < FEW]
    if few:
        yield Finding(
            check="few examples",
            severity=Severity.HIGH,
            what=f"classes with fewer than {FEW} examples: {', '.join(few[:8])}",
            advice="bring more of them, join classes, or learn from unlabelled data first (pretrain)",
        )
    present = counts[counts > 0]
    ratio = float(present.max() / present.min())
    if ratio >= UNEVEN:
        most, least = int(counts.argmax()), int(np.where(counts > 0, counts, counts.max() + 1).argmin())
        yield Finding(
            check="class imbalance",
            severity=Severity.MEDIUM if ratio >= VERY_UNEVEN else Severity.NOTE,
            what=f"{data.labels[most]} has {ratio:.1f} times as many examples as {data.labels[least]} "
            f"({counts[most]} and {counts[least]})",
            advice="set training.balance: true, and read the figures of each class, not the accuracy alone",
        )


def _groups(subject: Subject) -> Iterator[Finding]:
    data = subject.data
    if data.group is None or subject.by_blocks:
        return
    counts = np.bincount(data.group, minlength=len(data.groups))
    present = np.flatnonzero(counts)
    if len(present) < 3:
        yield Finding(
            check="groups",
            severity=Severity.MEDIUM,
            what=f"{len(present)} groups, and three parts want whole ones",
            advice="bring more groups, or name dataset.test_groups",
        )
        return
    ratio = float(counts[present].max() / counts[present].min())
    if ratio >= VERY_UNEVEN:
        most, least = present[counts[present].argmax()], present[counts[present].argmin()]
        yield Finding(
            check="group imbalance",
            severity=Severity.NOTE,
            what=f"group {data.groups[most]} has {ratio:.1f} times as many examples as {data.groups[least]} "
            f"({counts[most]} and {counts[least]})",
            advice="the model is made for the large groups; watch the worst group's figures",
        )


def _parts(subject: Subject) -> Iterator[Finding]:
    if subject.parts is None:
        return
    data = subject.data
    shares = []
    for name, members in (
        ("train", subject.parts.train),
        ("profile", subject.parts.profile),
        ("test", subject.parts.test),
    ):
        counts = np.bincount(data.y[members], minlength=len(data.labels))
        absent = [label for label, count in zip(data.labels, counts, strict=True) if not count]
        shares.append(counts / max(1, counts.sum()))
        if absent and not _is_learnt_normal(data.labels, name):
            yield Finding(
                check="parts",
                severity=Severity.HIGH if name == "test" else Severity.MEDIUM,
                what=f"the {name} part has no example of {', '.join(absent[:8])}",
                advice="bring more groups with these classes, or choose dataset.test_groups otherwise",
            )
    distance = float(np.abs(shares[0] - shares[2]).sum() / 2)
    if distance > _SHIFT and not _is_learnt_normal(data.labels, "train"):
        yield Finding(
            check="parts",
            severity=Severity.NOTE,
            what=f"classes are distributed otherwise in the test part than in training (distance {distance:.2f} of 1)",
            advice="intended for a test on other sites or times; otherwise divide the data otherwise",
        )
    tested = len(subject.parts.test)
    if tested < SURE:
        yield Finding(
            check="parts",
            severity=Severity.NOTE,
            what=f"{share(tested, len(data.x))} examples to test with; a point is {tested / 100:.1f} of them",
            advice=f"bring {SURE} or more to be sure of half a point, or take folds (training.folds)",
        )


def _is_learnt_normal(labels: tuple[str, ...], part: str) -> bool:
    """Anomalies are in the test part only, on purpose."""
    return labels == ("normal", "anomaly") and part != "test"
