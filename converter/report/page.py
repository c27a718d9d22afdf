"""report.html: a pure function of the report's document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PAGE_FILE = "report.html"


def report_page(document: Mapping[str, Any]) -> str:
    """The whole page."""
    return f"<!doctype html><title>{document['model']}</title>"
