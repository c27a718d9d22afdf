"""What is measured on one artifact, as data: estimates with their 95 % intervals. Nothing is computed here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MetricName = Literal["accuracy", "auc"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A value with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The metric of the artifact and of its float32 reference on the same examples.

    Attributes:
        artifact: Of the exact bytes that devices run.
        float32: Of the float32 file of the same model; None where there is no such file.
        drop: What the artifact loses, float32 minus artifact, from a paired bootstrap; None without a reference.
    """

    artifact: Estimate
    float32: Estimate | None
    drop: Estimate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFigures:
    """One group (site, season, device, speaker) of the test part."""

    name: str
    n: int
    overall: Comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFigures:
    """One class, as the artifact answers.

    Attributes:
        label: Its name.
        n: Test examples of the class.
        recall: Share of them that are recognised; None without any.
        precision: Share of the answers with this class that are right; None if it is never answered.
        float_recall: Recall of the float32 file; None without one, or without examples.
    """

    label: str
    n: int
    recall: Estimate | None
    precision: Estimate | None
    float_recall: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreHistogram:
    """How the anomaly scores of the artifact lie; task anomaly only.

    Attributes:
        edges: Ends of the bins, one more than there are bins; scores beyond them count in the outer bins.
        normal: Normal examples in each bin.
        anomalous: Anomalous ones.
        roc: Points (false alarm rate, detection rate) of the artifact from (0, 0) to (1, 1).
        float_roc: The same of the float32 file; empty without one.
    """

    edges: tuple[float, ...]
    normal: tuple[int, ...]
    anomalous: tuple[int, ...]
    roc: tuple[tuple[float, float], ...]
    float_roc: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """One inference here, in microseconds: one thread, artifact and float32 in turns so that both see the same load.

    Attributes:
        runtime: Runtime and version, with its default delegates.
        rounds: Inferences of each.
        median_us: Of the artifact.
        p95_us: Its 95th percentile.
        float_median_us: Of the float32 file; None without one.
        float_p95_us: Its 95th percentile.
    """

    runtime: str
    rounds: int
    median_us: float
    p95_us: float
    float_median_us: float | None = None
    float_p95_us: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """All that was measured on one artifact with the test part.

    Attributes:
        metric: What ``overall`` and ``groups`` are about.
        n: Test examples.
        overall: The metric on all of them.
        lost: Examples that only float32 gets right; None for AUC or without a reference.
        won: Examples that only the artifact gets right.
        groups: The same by group, where there are groups; AUC only of groups with both kinds of examples.
        classes: By class; empty for AUC.
        confusion: Counts, rows the true class, columns the answer; empty for AUC and with many classes.
        scores: Of the anomaly scores; None for other tasks.
        agreement: Share of equal top-1 answers of artifact and float32; None for AUC or without a reference.
        sqnr_db: Output signal over the noise that the artifact adds to float32; None without a reference.
        float_difference: Largest difference of outputs of Keras and float32 file, of a reconstruction as a share of the
            largest output; None without Keras.
        size_bytes: Of the artifact's file.
        float_bytes: Of the float32 file; None without one.
        latency: None where it was not measured.
    """

    metric: MetricName
    n: int
    overall: Comparison
    lost: int | None = None
    won: int | None = None
    groups: tuple[GroupFigures, ...] = ()
    classes: tuple[ClassFigures, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    scores: ScoreHistogram | None = None
    agreement: float | None = None
    sqnr_db: float | None = None
    float_difference: float | None = None
    size_bytes: int
    float_bytes: int | None = None
    latency: Latency | None = None
