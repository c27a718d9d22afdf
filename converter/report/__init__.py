"""What a build has found out: ``report.json`` for programs, ``report.html`` for people, drawn from the same numbers."""

from converter.report.document import REPORT_FILE, report_bytes, report_document
from converter.report.drift import ConditionFound, CostFound, DriftFound, EstimatesFound
from converter.report.findings import (
    CurveFound,
    DataFound,
    FallbackTried,
    Findings,
    LabelPoint,
    LearningFound,
    Measured,
    QuantisationFound,
    TrialFound,
)
from converter.report.page import PAGE_FILE, report_page

__all__ = [
    "PAGE_FILE",
    "REPORT_FILE",
    "ConditionFound",
    "CostFound",
    "CurveFound",
    "DataFound",
    "DriftFound",
    "EstimatesFound",
    "FallbackTried",
    "Findings",
    "LabelPoint",
    "LearningFound",
    "Measured",
    "QuantisationFound",
    "TrialFound",
    "report_bytes",
    "report_document",
    "report_page",
]
