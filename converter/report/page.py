"""report.html: a pure function of the report's document, one file without scripts or anything from elsewhere."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from converter.report.markup import Element, node, text
from converter.report.sections import detectability, knowledge, learnt, metric, origin, quantised, spiking, verdict

PAGE_FILE = "report.html"


def report_page(document: Mapping[str, Any]) -> str:
    """The whole page for a document of ``report_document``."""
    chapters = {
        "": [verdict.cautions(document), verdict.gates(document)],
        "Answers": [
            metric.overall(document),
            metric.confusion(document),
            metric.groups(document),
            metric.classes(document),
            *metric.anomaly(document),
        ],
        "Size, speed and noise": [
            quantised.like_float(document),
            quantised.files(document),
            quantised.latency(document),
            quantised.layers(document),
            quantised.calibration(document),
        ],
        "Spikes": [
            spiking.operations(document),
            spiking.energy(document),
            spiking.faults(document),
            spiking.early_exit(document),
        ],
        "Drift": [
            detectability.detectability(document),
            knowledge.estimates(document),
            knowledge.conditions(document),
        ],
        "Learning": [
            *learnt.curves(document),
            learnt.folds(document),
            learnt.search(document),
            learnt.label_curve(document),
            learnt.devices(document),
        ],
        "Data and origin": [origin.data(document), origin.steps(document), origin.origin(document)],
    }
    shown = [part for title, cards in chapters.items() for part in _chapter(title, cards)]
    footer = node("footer", "The numbers of this page are those of report.json beside it.")
    main = node("main", verdict.header(document), verdict.tiles(document), *shown, footer)
    title = f"{document['model']} {document['version']}: report"
    page = node("html", _head(title), node("body", main), lang="en")
    return f"<!doctype html>\n{text(page)}\n"


def _chapter(title: str, cards: Sequence[Element | None]) -> list[Element]:
    found = [card for card in cards if card is not None]
    if not found:
        return []
    drawn = [node("h2", title, class_="chapter")] if title else []
    for is_wide, run in itertools.groupby(found, key=lambda card: "wide" in card.get("class", "")):
        some = list(run)
        drawn += some if is_wide else [node("div", *some, class_="cards")]
    return drawn


def _head(title: str) -> Element:
    style = (resources.files("converter.report") / "report.css").read_text(encoding="utf-8")
    return node(
        "head",
        node("meta", charset="utf-8"),
        node("meta", name="viewport", content="width=device-width, initial-scale=1"),
        node("title", title),
        node("style", style),
    )
