"""How much a device writes to its card for one update, as the kernel counts it."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from tests.benchmarks.harness import Row, Target
from tests.kill.device import Device
from tests.kill.point import points_of
from tests.kill.site import Site

SIZES_BYTES = {"200 KB": 200_000, "5 MB": 5_000_000}
BESIDE_BYTES = 1_000_000
FACTOR = 1.2
QUIET_S = 1.5  # for what is tidied up, and for the last words of a worker
Part = tuple[list[Row], list[Target]]


def deployments() -> Part:
    """An update of each size: supervisor, workers and update client together, from publication to commit."""
    rows, targets = [], []
    for name, size_bytes in SIZES_BYTES.items():
        with tempfile.TemporaryDirectory(prefix="driftline-") as folder:
            values = _update(Path(folder), size_bytes)
        rows.append(Row(name=f"update, {name}", values=values))
        bound = FACTOR * values["changed_bytes"] + BESIDE_BYTES
        targets.append(
            Target(name=f"bytes written, update of {name}", value=values["written_bytes"], op="<=", target=bound)
        )
    return rows, targets


def _update(directory: Path, size_bytes: int) -> dict[str, int]:
    site = Site(directory, padding_bytes=size_bytes)
    run = directory / "device"
    run.mkdir()
    with Device(run, site, offered="first") as device:
        trace = device.start()
        device.wait(lambda: device.is_settled_with("first") and not device.faults("first"), "the first model")
        time.sleep(QUIET_S)
        operations = len(list(points_of(trace)))
        before = _written(device)
        device.offer("second")
        device.wait(lambda: device.is_settled_with("second"), "the second model")
        time.sleep(QUIET_S)
        written = _written(device) - before
        operations = len(list(points_of(trace))) - operations
    first, second = (site.bundles[name].manifest for name in ("first", "second"))
    held = {entry.sha256 for entry in first.files.values()}
    changed = sum(entry.size for entry in second.files.values() if entry.sha256 not in held)
    if written < changed:  # a file system in memory, for instance, whose writes the kernel does not count
        raise RuntimeError(f"{written} bytes written to {directory}, expected {changed} at least; set TMPDIR to a disk")
    return {"changed_bytes": changed, "written_bytes": written, "operations": operations}


def _written(device: Device) -> int:
    """Of the supervisor and of all its children that have ended: Linux adds theirs when they are waited for."""
    io = dict(line.split(": ") for line in Path(f"/proc/{device.pid}/io").read_text().splitlines())
    return int(io["write_bytes"])
