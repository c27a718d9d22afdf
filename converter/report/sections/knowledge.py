"""What devices know: the conditions that are no drift, and what their estimates of accuracy are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from converter.report import wording
from converter.report.markup import Element, details, node, section, table

Document = Mapping[str, Any]


def conditions(document: Document) -> Element | None:
    """The conditions that are all right, with the examples that each was measured on."""
    known = (document.get("drift") or {}).get("conditions")
    if not known:
        return None
    rows = [(one["name"], wording.count(one["frames"])) for one in known]
    note = (
        "What looks like one of these conditions, or like a mixture of them, is no drift to a device; it tells in "
        "which it is, and can learn more (rebaseline)."
    )
    return section("Conditions that devices know", table(("Condition", "Examples"), rows, numeric=(1,)), note=note)


def estimates(document: Document) -> Element | None:
    """Errors of the estimated accuracy for kinds of shifts that its model has not seen."""
    cost = (document.get("drift") or {}).get("cost")
    if not cost:
        return None
    whole = cost["whole"]
    said = node(
        "p",
        f"Estimates were wrong by {_points(whole['error'])} on average, those by the calibrated confidence alone "
        f"(CBPE) by {_points(whole['confidence_error'])}. {wording.percent(whole['covered'], 0)} of "
        f"{wording.count(whole['windows'])} windows were inside the interval that is meant for nine of ten.",
    )
    note = (
        "Devices estimate their accuracy without labels, from how their signals moved. Each family of shifts was left "
        "out once while the estimates were learnt from the others; this is how they did on it. Accuracy without a "
        f"shift: {wording.percent(cost['accuracy'])}."
    )
    return section("Estimates of accuracy", said, details("By family of shifts", _table(cost["families"])), note=note)


def _table(families: Sequence[Document]) -> Element:
    head = ("Shift", "Lowest", "Error", "CBPE", "Inside")
    rows = [
        (
            one["family"],
            wording.percent(one["worst"], 1),
            _points(one["error"]),
            _points(one["confidence_error"]),
            wording.percent(one["covered"], 0),
        )
        for one in families
    ]
    return table(head, rows, numeric=(1, 2, 3, 4))


def _points(share: float) -> str:
    return f"{100 * share:.1f}{wording.NARROW}points"
