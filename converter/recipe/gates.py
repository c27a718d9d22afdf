"""The recipe's section ``gates``: what a bundle must reach to be written."""

from __future__ import annotations

from dataclasses import dataclass

from edge_models.fields import described


@dataclass(frozen=True, slots=True, kw_only=True)
class GatesRecipe:
    """Names of fields are names of gates (``--allow-gate NAME``). The metric is accuracy, or AUC for task anomaly."""

    float_difference: float = described("Keras against float32 TFLite, largest output.", default=1e-4, ge=0)
    drop: float = described("Metric that the artifact may lose against float32.", default=0.005, ge=0, le=1)
    drop_interval: float = described(
        "Largest loss inside the paired bootstrap interval (95 %) of the drop.", default=0.015, ge=0, le=1
    )
    drop_examples: int = described("Test examples below which drop_interval only warns.", default=500, ge=0)
    group_drop: float = described("Loss of the worst group, where there are groups.", default=0.02, ge=0, le=1)
    metric: float = described("Metric that the artifact must reach.", default=0.0, ge=0, le=1)
    size_ratio: float | None = described("File over float32 file of the same graph.", default=None, ge=0, le=2)
    size_bytes: int | None = described("Largest file.", default=None, ge=1)
    latency_us: float | None = described("Median of one inference here, one thread.", default=None, ge=0)
    agreement: float | None = described(
        "Share of equal top-1 answers; only a warning below 0.95 when left out.", default=None, ge=0, le=1
    )
    sqnr_db: float | None = described(
        "Output signal to quantisation noise; only a warning below 15 when left out.", default=None
    )
