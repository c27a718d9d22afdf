"""Run inside a userland: what each executor that is there says to the fixed case, as JSON."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from pathlib import Path

from edge_models.engines.tflite import TfliteModel
from edge_models.errors import RuntimeMissingError
from edge_models.spiking import network
from edge_models.spiking.archive import from_npz, to_npz
from edge_models.spiking.collapsed import Collapsed
from edge_models.spiking.installed import load, why_missing
from edge_models.spiking.kernel import Kernel
from edge_models.spiking.reference import Reference
from tests.assets.spiking import CODINGS
from tests.assets.spiking_case import case, digest, early, exact, held, held_one_by_one, stills

ASSETS = Path(__file__).parents[1] / "assets"


def main() -> None:
    """Print one JSON document."""
    numpy: dict[str, str] = {}
    kernel: dict[str, str] = {}
    streams: dict[str, str] = {}
    for coding in CODINGS:
        net = from_npz(to_npz(case(coding)))
        reference = Reference(net)
        numpy |= {coding: digest(stills(reference)), f"{coding}-held": digest(held_one_by_one(reference))}
        if coding == "if":
            numpy["if-early"] = digest(early(reference))
        if load() is None:
            continue
        compiled = Kernel(net)
        kernel |= {coding: digest(stills(compiled)), f"{coding}-held": digest(held(compiled))}
        if coding == "if":
            kernel["if-early"] = digest(early(compiled))
        streams[coding] = digest(exact(compiled))
    found: dict[str, object] = {"numpy": numpy, "kernel": kernel, "streams": streams, "missing": why_missing()}
    found["collapsed"] = dict(collapsed())
    print(json.dumps({**found, "machine": platform.machine(), "package": network.__file__}))


def collapsed() -> Iterator[tuple[str, str]]:
    """What the collapsed graphs give, with XNNPACK and without; nothing where there is no runtime."""
    for coding in CODINGS[:2]:
        data = (ASSETS / f"spiking-{coding}.tflite").read_bytes()
        for delegates in (True, False):
            try:
                graph = TfliteModel(data, delegates=delegates)
            except RuntimeMissingError:
                return
            executor = Collapsed(graph, steps=case(coding).steps)
            yield f"{coding}-{'xnnpack' if delegates else 'builtin'}", digest(stills(executor))


if __name__ == "__main__":
    main()
