"""How the model was learnt: curves, folds, the search, few labels, and what devices taught it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from converter.report import wording
from converter.report.charts.canvas import legend
from converter.report.charts.estimates import Row, forest
from converter.report.charts.lines import Frame, Series, lines
from converter.report.markup import Element, details, node, section, table
from converter.training.spiking import TOLD_EVERY

Document = Mapping[str, Any]
_KINDS = ("float", "artifact", "second")
_TITLES = {
    "train": "Training",
    "pretrain": "Pre-training without labels",
    "qat": "Training with quantisation",
    "spiking": "Fine-tuning for the levels of spike counts",
    "surrogate": "Fine-tuning through the spikes",
}
_IN_UPDATES = ("spiking", "surrogate")  # their values are means of so many updates, not of an epoch
_TRIALS = 12
_Z_95 = 1.96
_T_95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}


def curves(document: Document) -> list[Element]:
    """Loss and accuracy of each stage of the training."""
    return [_curve(curve, document) for curve in document["learning"]["curves"] if _numbered(curve["loss"])]


def _curve(curve: Document, document: Document) -> Element:
    stage = curve["stage"]
    unit = f"{TOLD_EVERY} updates" if stage in _IN_UPDATES else "epoch"
    marked = None if curve["best"] is None else curve["best"] + 1
    series = [Series(points=_numbered(curve["loss"]), kind="float")]
    marks = [("float", "training loss")]
    if curve["validation_loss"]:
        series.append(Series(points=_numbered(curve["validation_loss"])))
        marks.append(("artifact", "validation loss"))
    losses = lines(series, _course(unit, "Loss", wording.number, len(curve["loss"]), marked))
    charts = [node("div", legend(*marks), losses)]
    if curve["accuracy"]:
        frame = _course(unit, "Accuracy", lambda value: f"{100 * value:.3g} %", len(curve["accuracy"]), marked)
        reached = lines([Series(points=_numbered(curve["accuracy"]))], frame)
        charts.append(node("div", legend(("artifact", "validation accuracy")), reached))
    network, parameters = document["learning"]["network"], document["learning"]["parameters"]
    said = ""
    if network and stage != "pretrain":
        said = f"{network}{'' if parameters is None else f', {wording.count(parameters)} parameters'}. "
    kept = "" if marked is None else f" The weights of epoch {marked} were kept."
    points = len(curve["loss"])
    count = f"{points} times {unit}" if stage in _IN_UPDATES else wording.several(points, unit)
    note = f"{said}{count}.{kept}"
    return section(_TITLES.get(stage, f"Training: {stage}"), node("div", *charts, class_="pair"), note=note)


def _course(unit: str, what: str, shown: Any, count: int, marked: int | None) -> Frame:  # noqa: ANN401 - a format
    return Frame(
        label=f"{what} of each {unit}",
        x=unit,
        x_shown=_whole,
        y_shown=shown,
        x_range=(1.0, float(max(count, 2))),
        x_at=_some_of(count),
        marked=marked,
    )


def _some_of(count: int) -> tuple[float, ...]:
    """At most about eight of the numbers from 1 to ``count``, evenly apart."""
    step = max(1, math.ceil(count / 8))
    return tuple(float(number) for number in range(1, count + 1) if number % step == 0 or (number == 1 and step != 2))


def _whole(value: float) -> str:
    return f"{value:.0f}"


def _numbered(values: Sequence[float | None]) -> tuple[tuple[float, float], ...]:
    return tuple((float(number), value) for number, value in enumerate(values, 1) if value is not None)


def folds(document: Document) -> Element | None:
    """What each fold of the cross-validation reached."""
    found = document["learning"]["folds"]
    if not found:
        return None
    metric = document["metric"]
    rows = [
        Row(
            label=f"fold {number}",
            marks=(({"value": value, "low": value, "high": value}, "artifact"),),
            shown=wording.metric(value, metric),
        )
        for number, value in enumerate(found, 1)
    ]
    mean, spread = statistics.fmean(found), statistics.stdev(found)
    note = (
        f"Mean {wording.metric(mean, metric)}, standard deviation {wording.points(spread).removeprefix('+')} between "
        "folds; the model that was written is trained on all of the training part."
    )
    chart = forest(rows, "Metric of each fold", axis=lambda value: _axis(value, metric), inside=(0.0, 1.0))
    return section("Cross-validation", chart, note=note)


def _axis(value: float, name: str) -> str:
    return f"{100 * value:.4g} %" if name == "accuracy" else f"{value:.4g}"


def search(document: Document) -> Element | None:
    """The trials of the search, the best first."""
    trials = [trial for trial in document["learning"]["trials"] if trial["value"] is not None]
    if not trials:
        return None
    values = [trial["value"] for trial in trials]
    best = [max(values[: number + 1]) for number in range(len(values))]
    series = [
        Series(points=_numbered(best)),
        Series(points=_numbered(values), kind="float", dots=True, joined=False),
    ]
    frame = Frame(
        label="Value of each trial",
        x="trial",
        x_shown=_whole,
        y_shown=lambda value: f"{value:.3g}",
        x_range=(1.0, float(max(len(values), 2))),
        x_at=_some_of(len(values)),
    )
    keys = list(dict.fromkeys(key for trial in trials for key in trial["settings"]))
    ordered = sorted(trials, key=lambda trial: -trial["value"])[:_TRIALS]
    rows = [(f"{trial['value']:.4f}", *(_setting(trial["settings"].get(key)) for key in keys)) for trial in ordered]
    tried = wording.several(len(document["learning"]["trials"]), "trial")
    note = f"{tried}, judged on the profile part; the test part decides nothing."
    return section(
        "Hyper-parameter search",
        legend(("float", "each trial"), ("artifact", "best so far")),
        lines(series, frame),
        details(f"The best {len(rows)}", table(("Value", *keys), rows, numeric=(0,))),
        note=note,
    )


def _setting(value: object) -> str:
    return wording.NONE if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def label_curve(document: Document) -> Element | None:
    """What few labels are worth, with and without pre-training."""
    points = document["learning"]["label_curve"]
    if not points:
        return None
    methods = list(dict.fromkeys(point["method"] for point in points))
    series, rows = [], []
    for number, method in enumerate(methods):
        found = _by_count([point for point in points if point["method"] == method])
        kind = _KINDS[number % len(_KINDS)]
        means = tuple((float(count), statistics.fmean(values)) for count, values in found.items())
        spread = tuple((float(count), *_interval(values)) for count, values in found.items())
        series.append(Series(points=means, kind=kind, spread=spread, dots=True, title=method))
        rows += [
            (method, str(count), wording.metric(statistics.fmean(values), document["metric"]), str(len(values)))
            for count, values in found.items()
        ]
    counts = tuple(sorted({float(point["per_class"]) for point in points}))
    frame = Frame(
        label="Metric against labels of each class",
        x="labels of each class",
        x_shown=_whole,
        y_shown=lambda value: _axis(value, document["metric"]),
        x_range=(counts[0] * 0.9, counts[-1] * 1.1),
        x_at=counts,
        x_log=True,
    )
    marks = [(_KINDS[number % len(_KINDS)], method) for number, method in enumerate(methods)]
    head = ("Method", "Labels of each class", "Mean", "Seeds")
    return section(
        "Learning with few labels",
        legend(*marks),
        lines(series, frame),
        details("As a table", table(head, rows, numeric=(1, 2, 3))),
        note="Mean over seeds with its 95 % interval (Student's t), measured on the artifact with the test part.",
    )


def _by_count(points: Sequence[Document]) -> dict[int, list[float]]:
    found: dict[int, list[float]] = {}
    for point in sorted(points, key=lambda point: point["per_class"]):
        found.setdefault(point["per_class"], []).append(point["value"])
    return found


def _interval(values: Sequence[float]) -> tuple[float, float]:
    mean = statistics.fmean(values)
    if len(values) < 2:
        return mean, mean
    half = _T_95.get(len(values), _Z_95) * statistics.stdev(values) / math.sqrt(len(values))
    return mean - half, mean + half


def devices(document: Document) -> Element | None:
    """What a retraining found out about each device."""
    found = document["devices"]
    if not found:
        return None
    rows = [
        (
            str(number),
            wording.count(device.get("samples")),
            ", ".join(f"{name} {value:g}" for name, value in (device.get("lookalike") or {}).items()) or wording.NONE,
            wording.number(device.get("distance")),
        )
        for number, device in enumerate(found, 1)
    ]
    head = ("Device", "Labelled samples", "Camera that explains what it sees", "Distance left")
    note = "Devices delivered samples or sketches; the training data were made to look like what each of them sees."
    return section("What devices see", table(head, rows, numeric=(1, 3)), note=note, wide=True)
