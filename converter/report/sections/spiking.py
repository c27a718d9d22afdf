"""What the spiking artifact computes, what that may cost, how it bears faults, and what stopping early is worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from converter.report import wording
from converter.report.charts.bars import Bar, bars
from converter.report.markup import Element, details, node, section, table
from converter.report.wording import NARROW

Document = Mapping[str, Any]
_CODINGS = {
    "atf": "Every layer gathers its whole input before it fires; a count is sent once, as a number.",
    "radix": "The same function as atf; counts are sent as bit planes.",
    "if": "Plain integrate-and-fire neurons, step by step.",
}


def operations(document: Document) -> Element | None:
    """Synaptic operations beside those of the same network as an ANN, and NeuroBench's figures."""
    found = _found(document, "operations")
    if found is None:
        return None
    rows = [
        Bar(label="ANN, all products", value=found["dense_macs"], shown=_many(found["dense_macs"]), kind="float"),
        Bar(label="products", value=found["effective_macs"], shown=_many(found["effective_macs"])),
        Bar(label="additions", value=found["effective_acs"], shown=_many(found["effective_acs"])),
    ]
    if document["spiking"]["coding"] == "atf":
        rows.append(
            Bar(label="if counts were spikes", value=found["unary_acs"], shown=_many(found["unary_acs"]), kind="soft")
        )
    figures = {
        "Synaptic operations": _many(found["synaptic_operations"]),
        "Silent neurons": wording.percent(found["activation_sparsity"], 1),
        "Zero weights": wording.percent(found["connection_sparsity"], 1),
        "Footprint": wording.size(found["footprint_bytes"]),
        "Neurons": f"{wording.count(found['neurons'])}, {_steps(document)}",
    }
    said = node(
        "dl", *(node(tag, text) for pair in figures.items() for tag, text in zip(("dt", "dd"), pair, strict=True))
    )
    note = (
        f"For one example, the mean of {found['examples']}. {_CODINGS[document['spiking']['coding']]} Products and "
        "additions are effective ones, of which neither side is zero (effective MACs and ACs of NeuroBench); the first "
        "layer multiplies, its input is no spike."
    )
    return section("Operations", bars(rows, "Operations for one example"), said, _layers(found), note=note)


def _layers(found: Document) -> Element:
    rows = [
        (
            layer["name"],
            wording.count(layer["neurons"]) if layer["neurons"] else wording.NONE,
            wording.percent(layer["rate"], 1) if layer["neurons"] else wording.NONE,
            wording.percent(layer["activation_sparsity"], 1) if layer["neurons"] else wording.NONE,
            _many(layer["effective_macs"]),
            _many(layer["effective_acs"]),
            _many(layer["dense_macs"]),
        )
        for layer in found["layers"]
    ]
    head = ("Layer", "Neurons", "Rate", "Silent", "Products", "Additions", "ANN")
    return details("Layers", table(head, rows, numeric=(1, 2, 3, 4, 5, 6)))


def energy(document: Document) -> Element | None:
    """The estimate for each process, with ratios against the int8 and the float32 ANN side by side."""
    found = _found(document, "energy")
    if found is None:
        return None
    rows = [
        (
            one["costs"]["process"],
            _microjoules(one["spiking_uj"]),
            _microjoules(one["int8_uj"]),
            _times(one["below_int8"]),
            _microjoules(one["float32_uj"]),
            _times(one["below_float32"]),
        )
        for one in found["estimates"]
    ]
    shown = table(("Process", "Spiking", "int8 ANN", "", "float32 ANN", ""), rows, numeric=(1, 2, 3, 4, 5))
    return section("Energy of the arithmetic, estimated", shown, _unary(document), _costs(found), note=found["note"])


def _unary(document: Document) -> Element | None:
    if document["spiking"]["coding"] != "atf":
        return None
    shares = [
        f"{_microjoules(one['unary_uj'])} in {one['costs']['process']}"
        for one in _found(document, "energy")["estimates"]
    ]
    return node(
        "p",
        f"A chip without graded events would send every count as so many spikes: {', '.join(shares)}. An accelerator "
        "for ANNs that skips zeros would save about as much as graded events do.",
    )


def _costs(found: Document) -> Element:
    costs = [one["costs"] for one in found["estimates"]]
    rows = [
        (name, *(f"{one[what]:g}{NARROW}pJ" for one in costs))
        for name, what in (
            ("int8 multiplication", "int8_multiply"),
            ("int32 addition", "int32_add"),
            ("float32 multiplication", "float32_multiply"),
            ("float32 addition", "float32_add"),
        )
    ]
    shown = table(("Operation", *(one["process"] for one in costs)), rows, numeric=range(1, len(costs) + 1))
    sources = [node("p", f"{one['process']}: {one['source']}.") for one in costs]
    return details("Published costs of single operations", shown, *sources)


def faults(document: Document) -> Element | None:
    """Accuracy with faults, spiking beside int8."""
    found = _found(document, "robustness")
    if found is None:
        return None
    rows = [("none", "", wording.percent(found["spiking"], 1), wording.percent(found["int8"], 1), "")]
    rows += [
        (
            one["fault"],
            f"{100 * one['share']:g}{NARROW}%",
            wording.percent(one["spiking"], 1),
            wording.percent(one["int8"], 1),
            wording.points(None if one["int8"] is None else one["spiking"] - one["int8"]),
        )
        for one in found["faults"]
    ]
    note = (
        f"Accuracy on {wording.count(found['examples'])} test examples, the mean of {found['seeds']} random choices. "
        "A dead neuron is a silent output channel of a hidden layer, a dead synapse a weight of 0, a flip one of the "
        "eight bits of a weight; the same on both sides. The wire around layers of a residual network does not break."
    )
    head = ("Fault", "Share", "Spiking", "int8 ANN", "Difference")
    return section("Faults", table(head, rows, numeric=(1, 2, 3, 4)), note=note)


def early_exit(document: Document) -> Element | None:
    """Accuracy and steps for margins."""
    found = _found(document, "early_exits")
    if not found:
        return None
    rows = [
        (
            "all steps" if one["margin"] is None else wording.count(one["margin"]),
            wording.percent(one["accuracy"]),
            f"{one['steps']:.2f}",
        )
        for one in found
    ]
    note = (
        "A frame ends after step t when the two largest logits differ by t times the margin, in the units of the "
        "readout's accumulators. Choose the margin on other examples than these."
    )
    return section("Stopping early", table(("Margin", "Accuracy", "Steps"), rows, numeric=(0, 1, 2)), note=note)


def _found(document: Document, part: str) -> Any:  # noqa: ANN401 - JSON values
    spiking = document.get("spiking")
    return None if spiking is None else spiking[part]


def _steps(document: Document) -> str:
    spiking = document["spiking"]
    steps = spiking["operations"]["steps"]
    if spiking["coding"] == "atf":
        return f"counts of 0 to {spiking['levels']}"
    return wording.several(steps, "bit plane" if spiking["coding"] == "radix" else "step")


def _many(value: float) -> str:
    """Operations, three digits of them."""
    for unit, factor in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= factor:
            return f"{value / factor:.3g}{NARROW}{unit}"
    return f"{value:.0f}"


def _microjoules(value: float) -> str:
    return f"{value:.3g}{NARROW}\u00b5J"


def _times(ratio: float) -> str:
    return f"{ratio:.1f}{NARROW}\u00d7"
