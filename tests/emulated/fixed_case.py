"""Run inside a userland: what numpy and, where it is, the kernel say to the fixed case, as JSON."""

from __future__ import annotations

import json
import platform

from edge_models.spiking import network
from edge_models.spiking.archive import from_npz, to_npz
from edge_models.spiking.compile import load, why_missing
from edge_models.spiking.kernel import Kernel
from edge_models.spiking.reference import Reference
from tests.assets.spiking import CODINGS
from tests.assets.spiking_case import case, digest, early, exact, held, held_one_by_one, stills


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
    found = {"numpy": numpy, "kernel": kernel, "streams": streams, "missing": why_missing()}
    print(json.dumps({**found, "machine": platform.machine(), "package": network.__file__}))


if __name__ == "__main__":
    main()
