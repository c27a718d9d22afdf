"""Where it comes from: the data, the steps of the build, digests and versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from converter.report import wording
from converter.report.charts.bars import Bar, bars
from converter.report.markup import Element, details, node, section, table

Document = Mapping[str, Any]
_CLASSES = 40
_PARTS = ("train", "profile", "test", "unlabelled")


def data(document: Document) -> Element | None:
    """How many examples of what, and in which part."""
    examples = document["examples"]
    if examples is None:
        return None
    labels, counts = document["labels"], examples["classes"]
    parts = ", ".join(f"{wording.count(examples[part])} {_MEANING[part]}" for part in _PARTS if examples.get(part))
    ordered = sorted(zip(labels, counts, strict=False), key=lambda pair: -pair[1])
    shown = list(zip(labels, counts, strict=False)) if len(counts) <= _CLASSES else ordered[:_CLASSES]
    rows = [Bar(label=str(label), value=found, shown=wording.count(found)) for label, found in shown]
    more = []
    if len(labels) > 1:
        by_part = examples.get("classes_by_part", {})
        cells = [
            (str(label), *(wording.count(by_part[part][number]) for part in by_part))
            for number, label in enumerate(labels)
        ]
        columns = range(1, len(by_part) + 1)
        more.append(details("Classes by part", table(("Class", *by_part), cells, numeric=tuple(columns))))
    if examples["groups"]:
        cells = [
            (group["name"], *(wording.count(group[part]) for part in ("train", "profile", "test")))
            for group in examples["groups"]
        ]
        more.append(details("Groups by part", table(("Group", "Train", "Profile", "Test"), cells, numeric=(1, 2, 3))))
    return section("Data", bars(rows, "Examples of each class"), *more, note=f"{parts}.")


_MEANING = {
    "train": "to learn from",
    "profile": "to watch the training and take the reference profile",
    "test": "for the figures",
    "unlabelled": "without labels",
}


def steps(document: Document) -> Element | None:
    """Seconds of each step of the build."""
    found = {name: value for name, value in document["seconds"].items() if value >= 0.05}
    if not found:
        return None
    rows = [Bar(label=name, value=value, shown=wording.seconds(value)) for name, value in found.items()]
    total = wording.seconds(sum(document["seconds"].values()))
    return section("Time", bars(rows, "Seconds of each step"), note=f"{total} in all.")


def origin(document: Document) -> Element:
    """Digests, versions and the input that the model expects."""
    source, provenance = document["input"], document["provenance"]
    frame = f"{source['kind']}, {source['source']['dtype']} {source['source']['shape']}"
    steps_said = ", ".join(step["op"] for step in source["preprocess"]) or "none"
    entries: list[tuple[str, str | Element]] = [
        ("Built", provenance["created"]),
        ("Recipe", provenance["recipe"]),
        ("Input", frame),
        ("Preprocessing", steps_said),
        ("Replaces", _digest(provenance.get("parent"))),
        ("Answers", ", ".join(provenance.get("answers") or ()) or "no request"),
        ("Data", _digest(provenance.get("data_sha256"))),
        ("Recipe's meaning", _digest(provenance.get("recipe_sha256"))),
        ("Built with", ", ".join(f"{name} {version}" for name, version in (provenance.get("tools") or {}).items())),
    ]
    if document.get("bundle"):
        entries.insert(0, ("Bundle", _digest(document["bundle"])))
    if provenance.get("waivers"):
        waived = ", ".join(
            f"{one['gate']} ({one['found']:.4g}, {one['limit']:.4g} asked)" for one in provenance["waivers"]
        )
        entries.append(("Waived", waived))
    pairs = [part for name, said in entries if said != "" for part in (node("dt", name), node("dd", said))]
    return section("Origin", node("dl", *pairs), wide=True)


def _digest(value: str | None) -> Element | str:
    return node("code", value) if value else ""
