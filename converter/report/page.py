"""report.html: a pure function of the report's document, one file without scripts or anything from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

from converter.report.markup import Element, node, text
from converter.report.sections import learnt, metric, origin, quantised, verdict

PAGE_FILE = "report.html"


def report_page(document: Mapping[str, Any]) -> str:
    """The whole page for a document of ``report_document``."""
    cards = [
        verdict.cautions(document),
        verdict.gates(document),
        metric.overall(document),
        metric.groups(document),
        *metric.anomaly(document),
        metric.classes(document),
        metric.confusion(document),
        quantised.like_float(document),
        quantised.files(document),
        quantised.latency(document),
        quantised.layers(document),
        quantised.calibration(document),
        *learnt.curves(document),
        learnt.folds(document),
        learnt.search(document),
        learnt.label_curve(document),
        learnt.devices(document),
        origin.data(document),
        origin.steps(document),
        origin.origin(document),
    ]
    grid = node("div", *(card for card in cards if card is not None), class_="grid")
    footer = node("footer", "The numbers of this page are those of report.json beside it.")
    main = node("main", verdict.header(document), verdict.tiles(document), grid, footer)
    title = f"{document['model']} {document['version']}: report"
    page = node("html", _head(title), node("body", main), lang="en")
    return f"<!doctype html>\n{text(page)}\n"


def _head(title: str) -> Element:
    style = (resources.files("converter.report") / "report.css").read_text(encoding="utf-8")
    return node(
        "head",
        node("meta", charset="utf-8"),
        node("meta", name="viewport", content="width=device-width, initial-scale=1"),
        node("title", title),
        node("style", style),
    )
