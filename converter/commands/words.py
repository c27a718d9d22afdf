"""What the commands that write bundles say of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge_models.bundle import Bundle
from edge_models.manifest import short


def built_in_words(bundle: Bundle, report: Mapping[str, Any], output: Path) -> str:
    """A line for the bundle, one for each artifact, and what is to be known beside the figures."""
    manifest = bundle.manifest
    lines = [f"bundle {short(bundle.id)} in {output}: {manifest.model} {manifest.version}"]
    for name, found in report["artifacts"].items():
        lines.append(f"  {name}: {figures_in_words(found['figures'])}")
        lines += [f"  waived: {gate['text']}" for gate in found["gates"] if gate["waived"]]
        lines += [f"  note: {caution}" for caution in found["cautions"]]
    lines += [f"  note: {note}" for note in report["notes"]]
    return "\n".join(lines) + "\n"


def figures_in_words(figures: Mapping[str, Any]) -> str:
    """Metric with its interval, and size, each beside float32 where that was measured."""
    name = "AUC" if figures["metric"] == "auc" else "accuracy"
    overall = figures["overall"]
    reached, exact = overall["artifact"], overall["float32"]
    beside = "" if exact is None else f"; {exact['value']:.4f} in float32"
    size = f"{figures['size_bytes']} bytes"
    if figures["float_bytes"]:
        size += f", {figures['size_bytes'] / figures['float_bytes']:.2f} of float32"
    took = figures["latency"]
    speed = "" if took is None else f", {took['median_us']:.0f} us here"
    return (
        f"{name} {reached['value']:.4f} ({reached['low']:.4f} to {reached['high']:.4f}{beside}) "
        f"on {figures['n']} examples, {size}{speed}"
    )
