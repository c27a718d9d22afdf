"""Audit of data before anything is learnt from them: what would make a model's figures too good, or the model bad."""

from converter.audit.audit import Audit, audit
from converter.audit.finding import Finding, Severity

__all__ = ["Audit", "Finding", "Severity", "audit"]
