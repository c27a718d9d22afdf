"""The updates at whose operations devices are killed, and one run of one of them.

success    a bundle is downloaded, tested, proved and committed
rollback   a bundle passes its tests and dies as the active one: back to the one before
resume     the device died in the middle of a download; the rest comes
supersede  a newer bundle is published while one is being proved
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.kill.device import Device
from tests.kill.point import Point, points_of
from tests.kill.site import MODEL_FILE, Site

AT_ONCE = 3  # devices; much of their time is waiting for the next look or frame
TRIES = 3  # to meet an operation that belongs to a look at the registry, which comes at its own time
MEET_S = 30.0  # to come to a point
QUIET_S = 0.3  # after the end of an update, for what tidies up


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One kind of update."""

    name: str
    offered: str
    ends_with: str
    later: str | None = None  # offered once the first one is being proved
    provisional_frames: int = 20
    is_resumed: bool = False


SCENARIOS = (
    Scenario(name="success", offered="second", ends_with="second"),
    Scenario(name="rollback", offered="deadly", ends_with="first", provisional_frames=2000),
    Scenario(name="resume", offered="second", ends_with="second", is_resumed=True),
    Scenario(name="supersede", offered="second", later="third", ends_with="third", provisional_frames=200),
)


class Suite:
    """Runs scenarios.

    Args:
        directory: Empty, on a disk that is quick to write.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._site = Site(directory)
        self._begin: dict[str, Path] = {}
        self._points: dict[str, list[Point]] = {}
        self._locks = {scenario.name: threading.Lock() for scenario in SCENARIOS}

    def prepare(self, scenario: Scenario) -> list[Point]:
        """The scenario's kill points, from a run in which nothing is killed."""
        with self._locks[scenario.name]:
            if scenario.name not in self._points:
                self._points[scenario.name] = self._prepared(scenario)
            return self._points[scenario.name]

    def prepare_all(self, scenarios: Iterable[Scenario]) -> list[list[Point]]:
        """The kill points of each, several at a time."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(self.prepare, scenarios))

    def _prepared(self, scenario: Scenario) -> list[Point]:
        state = self._directory / f"begin-{scenario.name}"
        self._prepare_state(scenario, state)
        self._begin[scenario.name] = state
        with self._device(scenario) as device:
            trace = device.start()
            self._guide(device, scenario, lambda: device.is_settled_with(scenario.ends_with) and self._is_told(device))
            time.sleep(QUIET_S)
            device.kill()
            assert device.faults(scenario.ends_with) == []
            return list(points_of(trace))

    def run(self, scenario: Scenario, point: Point) -> str | None:
        """Kill a device at that point and start it again; what is wrong then."""
        missed = ""
        for _ in range(TRIES):
            with self._device(scenario) as device:
                device.start(point)
                try:
                    self._guide(device, scenario, lambda: device.has_ended, timeout_s=MEET_S)
                except AssertionError as exc:
                    missed = str(exc)
                    continue
                if not device.was_killed_there:
                    missed = f"it ended elsewhere\n{device.log.read_text()[-2000:]}"
                    continue
                device.kill()
                if scenario.later is not None:
                    device.offer(scenario.later)
                return self._aftermath(device, scenario)
        return f"{scenario.name}: {point} was never met: {missed}"

    def run_all(self, chosen: list[tuple[Scenario, Point]]) -> list[str]:
        """What is wrong after each of these, several at a time."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = pool.map(lambda pair: (pair, self.run(*pair)), chosen)
            return [f"{scenario.name}, {point}: {fault}" for (scenario, point), fault in found if fault]

    def _aftermath(self, device: Device, scenario: Scenario) -> str | None:
        before = device.record("active.json")
        if before and not (device.state / "bundles" / str(before["bundle"])).is_dir():
            return f"the disk names {before['bundle']}, which is not there"
        device.start()
        try:
            device.wait(
                lambda: (
                    self._is_told(device)
                    and device.is_settled_with(scenario.ends_with)
                    and not device.faults(scenario.ends_with)
                ),
                f"an end with {scenario.ends_with}",
            )
        except AssertionError as exc:
            return f"{device.faults(scenario.ends_with)} {exc}"
        return None

    def _guide(
        self, device: Device, scenario: Scenario, is_over: Callable[[], bool], *, timeout_s: float = 60.0
    ) -> None:
        """Publish what is published later, when it is time, and wait for the end."""
        if scenario.later is not None:
            device.wait(lambda: device.phase == "provisional" or device.has_ended, "provisional", timeout_s=timeout_s)
            device.offer(scenario.later)
        device.wait(is_over, "the end", timeout_s=timeout_s)

    @staticmethod
    def _is_told(device: Device) -> bool:
        """Whether the update has ended, and not only not begun."""
        return device.phase in ("committed", "rolled_back", "rejected", "failed")

    def _prepare_state(self, scenario: Scenario, state: Path) -> None:
        """A device that runs its first bundle, or has half of the second one."""
        with self._device(scenario, offered="first") as device:
            device.start()
            device.wait(lambda: not device.faults("first") and device.is_settled_with("first"), "the first model")
            device.kill()
            if scenario.is_resumed:
                device.offer(scenario.offered)
                device.start(self._middle_of_download(scenario))
                device.wait(lambda: device.has_ended, "the middle of the download")
                device.kill()
            shutil.copytree(device.state, state, symlinks=True, ignore=shutil.ignore_patterns("*.sock"))

    def _middle_of_download(self, scenario: Scenario) -> Point:
        """Before the second piece of the model's file, wherever the store puts it."""
        whole = next(other for other in SCENARIOS if other.offered == scenario.offered and not other.is_resumed)
        model = self._site.bundles[scenario.offered].manifest.files[MODEL_FILE].sha256
        writes = (point for point in self.prepare(whole) if (point.side, point.step) == ("before", "write"))
        return next(point for point in writes if (MODEL_FILE in point.path or model in point.path) and point.nth == 1)

    @contextmanager
    def _device(self, scenario: Scenario, offered: str | None = None) -> Iterator[Device]:
        with tempfile.TemporaryDirectory(prefix="run-", dir=self._directory, ignore_cleanup_errors=True) as folder:
            directory = Path(folder)
            begin = self._begin.get(scenario.name)
            if begin is not None:
                shutil.copytree(begin, directory / "state", symlinks=True)
            with Device(
                directory,
                self._site,
                offered=offered or scenario.offered,
                provisional_frames=scenario.provisional_frames,
            ) as device:
                yield device
