"""The top of the page: what was built, how good it is, whether it passed, and what to be careful about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from converter.report import wording
from converter.report.markup import Element, node, section, table
from converter.report.wording import NARROW

Document = Mapping[str, Any]
_POINTS = ("drop", "drop_interval", "group_drop")
_AT_LEAST = ("metric", "agreement", "sqnr_db")


def header(document: Document) -> Element:
    """Name, verdict, and all of it in one sentence."""
    name = node("h1", document["model"], node("small", f"version {document['version']}"))
    said, kind = _verdict(first_of(document)["gates"])
    return node(
        "header",
        node("div", name, node("span", said, class_=f"pill {kind}"), class_="name"),
        node("p", _sentence(document), class_="lead"),
    )


def first_of(document: Document) -> Mapping[str, Any]:
    """The artifact that the gates judged."""
    first: Mapping[str, Any] = next(iter(document["artifacts"].values()))
    return first


def _verdict(gates: list[Document]) -> tuple[str, str]:
    missed = [gate for gate in gates if not gate["ok"]]
    if not gates:
        return "no gate applied", "quiet"
    if missed:
        return f"written although {wording.several(len(missed), 'gate')} missed", "warn"
    return f"passed {wording.several(len(gates), 'gate')}", "good"


def _sentence(document: Document) -> str:
    first, figures = first_of(document), first_of(document)["figures"]
    overall, classes = figures["overall"], len(document.get("labels") or ())
    n = wording.count(figures["n"])
    value = wording.metric(overall["artifact"]["value"], figures["metric"])
    if figures["metric"] == "accuracy":
        said = f"An {first['mode']} classifier of {wording.several(classes, 'class')} that answers {value} of {n} "
        said += "held-out examples correctly"
    else:
        said = (
            f"An {first['mode']} anomaly detector with an area under the ROC curve of {value} on {n} held-out examples"
        )
    if overall["drop"] is None:
        return f"{said}, in {wording.size(figures['size_bytes'])}."
    drop = overall["drop"]["value"]
    compared = (
        f"{wording.points(abs(drop)).lstrip('+')} {'less' if drop > 0 else 'more'} than" if drop else "as many as"
    )
    return f"{said}, {compared} float32, in {wording.percent(_ratio(figures), 0)} of its size."


def _ratio(figures: Document) -> float | None:
    return figures["size_bytes"] / figures["float_bytes"] if figures["float_bytes"] else None


def tiles(document: Document) -> Element:
    """The figures that everybody asks for first."""
    figures = first_of(document)["figures"]
    overall, name = figures["overall"], figures["metric"]
    shown = "Accuracy" if name == "accuracy" else "AUC"
    artifact, drop = overall["artifact"], overall["drop"]
    drawn = [_tile(shown, wording.metric(artifact["value"], name), f"95 %: {wording.metric_interval(artifact, name)}")]
    if drop is not None:
        loss = wording.points(-drop["value"])
        flipped = {"value": -drop["value"], "low": -drop["high"], "high": -drop["low"]}
        drawn.append(_tile("Against float32", loss, f"95 %: {wording.point_interval(flipped)}"))
    ratio = _ratio(figures)
    of = (
        f"{wording.percent(ratio, 0)} of {wording.size(figures['float_bytes'])} in float32"
        if ratio
        else "no float32 file"
    )
    drawn.append(_tile("Size", wording.size(figures["size_bytes"]), of))
    if figures["latency"] is not None:
        drawn.append(_latency(figures["latency"]))
    if figures["sqnr_db"] is not None:
        agreement = figures["agreement"]
        said = "" if agreement is None else f"{wording.percent(agreement)} of the answers agree"
        drawn.append(_tile("Output over noise", wording.decibels(figures["sqnr_db"]), said))
    return node("div", *drawn, class_="tiles")


def _latency(latency: Document) -> Element:
    exact = latency["float_median_us"]
    said = "median of one inference here"
    if exact:
        ratio = exact / latency["median_us"]
        said = (
            f"{ratio:.2f} times as fast as float32 here"
            if ratio >= 1
            else f"{1 / ratio:.2f} times as slow as float32 here"
        )
    return _tile("Latency", wording.duration_us(latency["median_us"]), said)


def _tile(what: str, value: str, said: str) -> Element:
    return node("div", node("span", what, class_="what"), node("b", value), node("span", said), class_="tile")


def cautions(document: Document) -> Element | None:
    """What the figures do not tell, or what is odd about them."""
    several = len(document["artifacts"]) > 1
    said = [
        f"{name}: {caution}" if several else caution
        for name, artifact in document["artifacts"].items()
        for caution in artifact["cautions"]
    ]
    said += list(document.get("notes") or ())
    if not said:
        return None
    return section("Worth knowing", node("ul", *(node("li", one) for one in said), class_="said"), wide=True)


def gates(document: Document) -> Element | None:
    """Each gate with what was found."""
    judged = first_of(document)["gates"]
    if not judged:
        return None
    metric = first_of(document)["figures"]["metric"]
    rows = []
    for gate in judged:
        state, kind = ("passed", "good") if gate["ok"] else ("waived", "warn") if gate["waived"] else ("missed", "bad")
        sign = "at least" if gate["gate"] in _AT_LEAST else "at most"
        rows.append(
            (
                node("code", gate["gate"]),
                _shown(gate["gate"], gate["found"], metric),
                f"{sign} {_shown(gate['gate'], gate['limit'], metric)}",
                node("span", state, class_=f"pill {kind}"),
                gate["text"].removeprefix(f"{gate['gate']}: "),
            )
        )
    note = "What the recipe asks of an artifact before it is written, measured through the runtime of the device."
    head = ("Gate", "Found", "Wanted", "", "In words")
    return section("Gates", table(head, rows, numeric=(1, 2), kind="gates"), note=note, wide=True)


def _shown(gate: str, value: float | None, metric: str) -> str:
    if gate in _POINTS:
        return wording.points(value).removeprefix("+")
    shown = {
        "metric": lambda: wording.metric(value, metric),
        "agreement": lambda: wording.percent(value),
        "sqnr_db": lambda: wording.decibels(value),
        "size_bytes": lambda: wording.size(value),
        "latency_us": lambda: wording.duration_us(value),
        "size_ratio": lambda: wording.percent(value, 1),
        "float_difference": lambda: wording.NONE if value is None else f"{value:.1e}".replace("-", wording.MINUS),
    }
    return shown[gate]() if gate in shown else f"{value}{NARROW}"
