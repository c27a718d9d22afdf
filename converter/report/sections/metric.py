"""How well the artifact answers: over all, by group, by class, and where it errs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from converter.report import wording
from converter.report.charts.canvas import legend
from converter.report.charts.estimates import Row, forest
from converter.report.charts.heat import heat_map
from converter.report.charts.histogram import two_histograms
from converter.report.charts.lines import Frame, Series, lines
from converter.report.markup import Element, details, node, section, table
from converter.report.sections.verdict import first_of

Document = Mapping[str, Any]
_BARS = 40  # classes up to which each has a bar; of more the worst are drawn
_CONFUSED = 8
_GROUPS = 30
_COMPARED = (("artifact", "artifact"), ("float", "float32"))


def overall(document: Document) -> Element:
    """The metric of every artifact beside float32, and by group."""
    figures = first_of(document)["figures"]
    name = figures["metric"]
    rows, exact = [], figures["overall"]["float32"]
    if exact is not None:
        rows.append(Row(label="float32", marks=((exact, "float"),), shown=wording.metric(exact["value"], name)))
    for artifact in document["artifacts"].values():
        found = artifact["figures"]["overall"]["artifact"]
        rows.append(
            Row(label=artifact["mode"], marks=((found, "artifact"),), shown=wording.metric(found["value"], name))
        )
    title = "Accuracy" if name == "accuracy" else "Area under the ROC curve"
    chart = forest(rows, title, axis=lambda value: _axis(value, name), inside=(0.0, 1.0))
    note = f"On {wording.count(figures['n'])} held-out examples, with 95 % intervals. {_intervals(name)}"
    return section(title, chart, _flips(figures), note=note)


def _intervals(name: str) -> str:
    kind = "Wilson's for shares" if name == "accuracy" else "Newcombe's for areas"
    return f"They are {kind} and a paired bootstrap for differences, and take examples as independent of each other."


def _flips(figures: Document) -> Element | None:
    if figures["lost"] is None or figures["overall"]["drop"] is None:
        return None
    if not figures["lost"] and not figures["won"]:
        return node("p", "Both files are right on the same examples.")
    lost, won = wording.several(figures["lost"], "example"), wording.several(figures["won"], "example")
    return node("p", f"Only float32 is right on {lost}, only the artifact on {won}.")


def groups(document: Document) -> Element | None:
    """The metric by group, the worst first."""
    figures = first_of(document)["figures"]
    found = sorted(figures["groups"], key=lambda group: group["overall"]["artifact"]["value"])
    if not found:
        return None
    name, exact = figures["metric"], found[0]["overall"]["float32"] is not None
    rows = [
        Row(
            label=f"{group['name']} ({group['n']})",
            marks=((group["overall"]["float32"], "float"), (group["overall"]["artifact"], "artifact")),
            shown=wording.metric(group["overall"]["artifact"]["value"], name),
        )
        for group in found[:_GROUPS]
    ]
    chart = forest(rows, "The metric by group", axis=lambda value: _axis(value, name), inside=(0.0, 1.0))
    cells = [
        (
            group["name"],
            wording.count(group["n"]),
            wording.metric(group["overall"]["artifact"]["value"], name),
            wording.metric_interval(group["overall"]["artifact"], name),
            wording.points(-group["overall"]["drop"]["value"]) if group["overall"]["drop"] else wording.NONE,
        )
        for group in found
    ]
    head = ("Group", "Examples", "Artifact", "95 % interval", "Against float32")
    left_out = f" The worst {_GROUPS} of {len(found)} are drawn." if len(found) > _GROUPS else ""
    return section(
        "Groups",
        legend(*(_COMPARED if exact else _COMPARED[:1])),
        chart,
        details("All groups as a table", table(head, cells, numeric=(1, 2, 3, 4))),
        note=f"No group of the test part was learnt from; the worst first.{left_out}",
    )


def classes(document: Document) -> Element | None:
    """Recall of each class, with a table of everything."""
    found = first_of(document)["figures"]["classes"]
    measured = [one for one in found if one["recall"] is not None]
    if not measured:
        return None
    shown = measured
    if len(measured) > _BARS:
        shown = sorted(measured, key=lambda one: one["recall"]["value"])[:_BARS]
    has_float = shown[0]["float_recall"] is not None
    rows = [
        Row(
            label=one["label"],
            marks=((_exact(one["float_recall"]), "float"), (one["recall"], "artifact"))
            if has_float
            else ((one["recall"], "artifact"),),
            shown=wording.percent(one["recall"]["value"], 1),
            title=f"{one['label']}: {wording.percent(one['recall']['value'])} of {one['n']} examples",
        )
        for one in shown
    ]
    chart = forest(rows, "Recall of each class", axis=lambda value: _axis(value, "accuracy"), inside=(0.0, 1.0))
    left_out = f" The worst {_BARS} of {len(measured)} are drawn." if len(measured) > _BARS else ""
    note = f"Share of the examples of a class that are recognised, with 95 % intervals.{left_out}"
    marks = legend(*(_COMPARED if has_float else _COMPARED[:1]))
    return section("Classes", marks, chart, details("As a table", _class_table(found)), note=note)


def _exact(value: float) -> Document:
    return {"value": value, "low": value, "high": value}


def _class_table(found: Sequence[Document]) -> Element:
    rows = [
        (
            one["label"],
            wording.count(one["n"]),
            wording.percent(one["recall"] and one["recall"]["value"]),
            wording.metric_interval(one["recall"], "accuracy"),
            wording.percent(one["precision"] and one["precision"]["value"]),
            wording.metric_interval(one["precision"], "accuracy"),
        )
        for one in found
    ]
    head = ("Class", "Examples", "Recall", "95 % interval", "Precision", "95 % interval")
    return table(head, rows, numeric=(1, 2, 3, 4, 5))


def confusion(document: Document) -> Element | None:
    """Where the answers go, and which classes are taken for each other most."""
    figures = first_of(document)["figures"]
    counts = figures["confusion"]
    if not counts:
        return None
    names = [one["label"] for one in figures["classes"]]
    pairs = sorted(
        ((some, row, column) for row, found in enumerate(counts) for column, some in enumerate(found) if row != column),
        reverse=True,
    )
    rows = [(names[row], names[column], wording.count(some)) for some, row, column in pairs[:_CONFUSED] if some]
    most = None
    if rows:
        most = details("Taken for each other most", table(("Is", "Answered as", "Examples"), rows, numeric=(2,)))
    note = "Rows are the true classes, columns the answers; the stronger, the larger the share of the row."
    return section("Confusion", heat_map(counts, names, "Confusion matrix"), most, note=note)


def anomaly(document: Document) -> tuple[Element | None, Element | None]:
    """Scores of normal and anomalous examples, and the ROC curve."""
    first = first_of(document)
    scores, threshold = first["figures"]["scores"], first["threshold"]
    if scores is None:
        return None, None
    chart = two_histograms(
        scores["normal"], scores["anomalous"], scores["edges"], "Anomaly scores", wording.number, threshold
    )
    marks = legend(
        ("float", f"normal ({sum(scores['normal'])})"), ("second", f"anomalous ({sum(scores['anomalous'])})")
    )
    note = "Mean squared error of the reconstruction, each kind as shares of its own; the last bin holds all above it."
    return section("Anomaly scores", marks, chart, note=note), _roc(scores)


def _roc(scores: Document) -> Element:
    series = [Series(points=tuple(map(tuple, scores["float_roc"])), kind="float")] if scores["float_roc"] else []
    series.append(Series(points=tuple(map(tuple, scores["roc"]))))
    frame = Frame(
        label="ROC curve",
        x="false alarm rate",
        x_shown=_tenths,
        y_shown=_tenths,
        x_range=(0.0, 1.0),
        y_range=(0.0, 1.0),
        square=True,
        diagonal=True,
    )
    marks = _COMPARED if scores["float_roc"] else _COMPARED[:1]
    return section("ROC curve", legend(*marks), lines(series, frame), note="Share of the anomalous examples detected.")


def _axis(value: float, name: str) -> str:
    return f"{100 * value:.4g} %" if name == "accuracy" else f"{value:.4g}"


def _tenths(value: float) -> str:
    return f"{value:.3g}"
