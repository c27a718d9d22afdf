"""What the quantisation does: files, latency, noise of each layer, ranges of the calibration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from converter.report import wording
from converter.report.charts.bars import Bar, bars
from converter.report.charts.histogram import small_histogram
from converter.report.markup import Element, details, node, section, table
from converter.report.sections.verdict import first_of

Document = Mapping[str, Any]
_LOW_DB = 15.0  # of a layer: below it the fallback has something to gain
_FULL_DB = 60.0  # where a bar ends: nothing is gained beyond
_EXACT_DB = 100.0  # layers that only move values around
_LAYERS = 40


def files(document: Document) -> Element:
    """Size of every artifact beside float32."""
    artifacts = list(document["artifacts"].values())
    exact = artifacts[0]["figures"]["float_bytes"]
    rows = [] if exact is None else [Bar(label="float32", value=exact, shown=wording.size(exact), kind="float")]
    rows += [
        Bar(label=one["mode"], value=one["figures"]["size_bytes"], shown=wording.size(one["figures"]["size_bytes"]))
        for one in artifacts
    ]
    cells = [
        (
            name,
            one["file"],
            ", ".join(one["runtimes"]),
            ", ".join(one["float_ops"]) or "none",
            node("code", ", ".join(f"{op} {version}" for op, version in sorted(one["ops"].items()))),
        )
        for name, one in document["artifacts"].items()
    ]
    head = ("Artifact", "File", "Loads in", "In floating point", "Operators and versions")
    return section("Size", bars(rows, "Bytes of each file"), details("What is in the files", table(head, cells)))


def latency(document: Document) -> Element | None:
    """Time of one inference of every artifact beside float32."""
    timed = [one for one in document["artifacts"].values() if one["figures"]["latency"] is not None]
    if not timed:
        return None
    first = timed[0]["figures"]["latency"]
    rows = []
    if first["float_median_us"] is not None:
        rows.append(_timed("float32", first["float_median_us"], first["float_p95_us"], "float"))
    rows += [
        _timed(one["mode"], one["figures"]["latency"]["median_us"], one["figures"]["latency"]["p95_us"], "artifact")
        for one in timed
    ]
    note = (
        f"Median and 95th percentile of {first['rounds']} single inferences in turns, one thread, {first['runtime']}, "
        "on the machine that built this: a device has other kernels and another clock."
    )
    return section("Latency", bars(rows, "Latency of each file"), note=note)


def _timed(label: str, median: float, p95: float, kind: str) -> Bar:
    interval = {"low": median, "high": p95}
    return Bar(label=label, value=median, shown=wording.duration_us(median), kind=kind, interval=interval)


def layers(document: Document) -> Element | None:
    """Signal to noise of each layer, in the order of the graph."""
    found = document["quantisation"]["layers"]
    if not found:
        return None
    shown = found if len(found) <= _LAYERS else sorted(found, key=_noise)[:_LAYERS]
    rows = [
        Bar(
            label=layer["name"],
            value=min(max(_noise(layer), 0.0), _FULL_DB),
            shown="exact" if _noise(layer) > _EXACT_DB else wording.decibels(layer["sqnr_db"]),
            kind="low" if _noise(layer) < _LOW_DB else "artifact",
            title=f"{layer['name']} ({layer['op']}): {wording.number(layer['rmse_over_scale'])} steps",
        )
        for layer in shown
    ]
    left_out = f" The {_LAYERS} noisiest of {len(found)} are drawn." if len(found) > _LAYERS else ""
    note = (
        f"Each layer's int8 form against its float form on the same input, so that no layer is blamed for those before "
        f"it. Below {_LOW_DB:.0f} dB (dashed) keeping it in floating point may help.{left_out}"
    )
    chart = bars(rows, "Signal to quantisation noise of each layer", high=_FULL_DB, limit=_LOW_DB, characters=26)
    return section("Noise of each layer", chart, _kept(document["quantisation"]), _tried(document), note=note)


def _noise(layer: Document) -> float:
    return float("inf") if layer["sqnr_db"] is None else float(layer["sqnr_db"])


def _kept(found: Document) -> Element | None:
    kept = found["kept_float"]
    return node("p", f"In floating point: {', '.join(kept)}.") if kept else None


def _tried(document: Document) -> Element | None:
    tried = document["quantisation"]["fallback"]
    if not tried:
        return None
    rows = [
        (
            ", ".join(one["layers"]) or "none",
            wording.points(None if one["drop"] is None else -one["drop"]),
            wording.size(one["size_bytes"]),
            "taken" if one["taken"] else "",
        )
        for one in tried
    ]
    head = ("Layers in floating point", "Against float32", "Size", "")
    return details("Layers tried in floating point", table(head, rows, numeric=(1, 2)))


def calibration(document: Document) -> Element | None:
    """The values that set the ranges of each layer."""
    found = [layer for layer in document["quantisation"]["layers"] if layer["histogram"]]
    if not found:
        return None
    figures = [
        node(
            "figure",
            small_histogram(
                layer["histogram"], layer["low"], layer["high"], f"Values of {layer['name']}", wording.rough
            ),
            node("figcaption", layer["name"]),
        )
        for layer in found[:_LAYERS]
    ]
    note = (
        f"Outputs of each layer on {wording.count(document['quantisation']['calibration'])} calibration examples; the "
        "ends are the ranges that 256 steps are spread over. Heights are square roots, so that long tails, which waste "
        "steps, can be seen."
    )
    return section("Calibration", node("div", *figures, class_="many"), note=note, wide=True)


def like_float(document: Document) -> Element | None:
    """How near every artifact is to float32."""
    rows = []
    for artifact in document["artifacts"].values():
        figures = artifact["figures"]
        if figures["overall"]["drop"] is None:
            return None
        drop = figures["overall"]["drop"]
        flipped = {"value": -drop["value"], "low": -drop["high"], "high": -drop["low"]}
        rows.append(
            (
                artifact["mode"],
                wording.points(flipped["value"]),
                wording.point_interval(flipped),
                wording.percent(figures["agreement"]),
                wording.decibels(figures["sqnr_db"]),
            )
        )
    difference = first_of(document)["figures"]["float_difference"]
    said = None
    if difference is not None:
        said = node("p", f"float32 itself differs from Keras by at most {difference:.1e}.".replace("-", wording.MINUS))
    head = ("", "Metric", "95 % interval", "Same answers", "SQNR")
    return section("Beside float32", table(head, rows, numeric=(1, 2, 3, 4)), said)
