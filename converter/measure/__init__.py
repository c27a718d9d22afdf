"""Measure an artifact on held-out data through the runtime of the device, with intervals."""

from converter.measure.auc import auc, auc_estimate
from converter.measure.figures import (
    ClassFigures,
    Comparison,
    Estimate,
    Figures,
    GroupFigures,
    Latency,
    MetricName,
    ScoreHistogram,
)
from converter.measure.measuring import HeldOut, measure
from converter.measure.proportion import wilson

__all__ = [
    "ClassFigures",
    "Comparison",
    "Estimate",
    "Figures",
    "GroupFigures",
    "HeldOut",
    "Latency",
    "MetricName",
    "ScoreHistogram",
    "auc",
    "auc_estimate",
    "measure",
    "wilson",
]
