"""How long no prediction comes while one model takes the place of another, seen at the broker.

A prediction a frame is asked for. With a recording the source waits for the model, so the longest gap counts; with
frames over MQTT the camera does not wait, so frames that were sent and never answered count as well.
"""

from __future__ import annotations

import tempfile
import threading
import time
from itertools import pairwise
from pathlib import Path

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from edge_models.npz import read_npz
from tests.benchmarks.agents.setup import FRAMES_TOPIC, RATE_HZ, SOURCES, Setup, agent
from tests.benchmarks.harness import Row, Target

SWAPS = ("second", "third", "deadly")  # names of bundles; nothing is wrong with the last one here
AROUND_S = 2.0
PERIOD_S = 1 / RATE_HZ
Part = tuple[list[Row], list[Target]]


class Camera:
    """Publishes a frame each period, whatever becomes of it."""

    def __init__(self, port: int, recording: Path) -> None:
        self._frames = read_npz(recording, max_bytes=1 << 26)["x"]
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._stop = threading.Event()
        self.sent_s: list[float] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._client.disconnect()
        self._client.loop_stop()

    def _run(self) -> None:
        due_s = time.monotonic()
        while not self._stop.wait(max(0.0, due_s - time.monotonic())):
            frame = self._frames[len(self.sent_s) % len(self._frames)]
            self.sent_s.append(time.monotonic())
            self._client.publish(FRAMES_TOPIC, frame.tobytes())
            due_s += PERIOD_S


def swaps() -> Part:
    """Some swaps with each source."""
    rows, worst = [], 0.0
    for source in SOURCES:
        with tempfile.TemporaryDirectory(prefix="driftline-") as folder, agent(Path(folder), source) as setup:
            found = _swapped(setup, source)
        worst = max([worst, *(gap / PERIOD_S - 1 for gap, _ in found)])
        worst = max([worst, *(missed for _, missed in found)])
        rows.append(
            Row(
                name=f"swap, {source} at {RATE_HZ:.0f} Hz",
                values={
                    "swaps": len(found),
                    "longest_gap_ms": round(1000 * max(gap for gap, _ in found)),
                    "frames_unanswered": sum(missed for _, missed in found) if source == "mqtt" else None,
                },
            )
        )
    return rows, [Target(name="frames missed at a swap, the worst of all", value=round(worst, 2), op="<=", target=1)]


def _swapped(setup: Setup, source: str) -> list[tuple[float, int]]:
    """Longest gap in seconds and frames that were never answered, of each swap."""
    camera = Camera(setup.port, setup.site.recording) if source == "mqtt" else None
    try:
        setup.device.start()
        setup.onlooker.wait_for("prediction")
        found = []
        for name in SWAPS:
            setup.offer(name)
            bundle = setup.site.bundles[name].id
            setup.device.wait_until_it_runs(bundle)
            time.sleep(AROUND_S)
            heard = setup.onlooker.of("prediction")
            first_s = next(one.at_s for one in heard if one.json["bundle"] == bundle)
            around = [one.at_s for one in heard if abs(one.at_s - first_s) <= AROUND_S]
            gap_s = max(after - before for before, after in pairwise(around))
            found.append((gap_s, 0 if camera is None else _unanswered(camera, around)))
        return found
    finally:
        if camera is not None:
            camera.close()


def _unanswered(camera: Camera, around: list[float]) -> int:
    """Frames sent while these predictions came, less the predictions; one may be on its way at each end."""
    sent = [at_s for at_s in camera.sent_s if around[0] - PERIOD_S / 2 <= at_s <= around[-1] - PERIOD_S / 2]
    return max(0, len(sent) - len(around))
