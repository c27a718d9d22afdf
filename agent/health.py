"""How the machine is doing, read from /proc and /sys; what cannot be read is None, never an error."""

from __future__ import annotations

import os
import platform
import resource
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PROC = "proc"
THERMAL = "sys/class/thermal"
PROCESSOR_ZONES = ("cpu-thermal", "x86_pkg_temp", "cpu_thermal", "soc-thermal", "cpu")  # types, the surest first
THROTTLED = "sys/devices/platform/soc*/*firmware/get_throttled"  # Raspberry Pi OS; bits as vcgencmd's
MODEL = Path("/proc/device-tree/model")
_THROTTLED_NOW = 0b1111  # bits 0 to 3: under-voltage, capped, throttled, soft limit; 16 to 19 are "since boot"
COLDEST_C, HOTTEST_C = -100.0, 200.0  # what ``state`` takes; a sensor that says more is broken
_MAX_BYTES = 65536
_BLOCK_BYTES = 512  # getrusage(2) on Linux: the block layer's unit, whatever the file system's is


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """One measurement.

    Attributes:
        cpu_percent: Processor time of the agent's processes since the last one; 100 is one core.
        cpu_temperature_c: Of the processor.
        memory_mb: Proportional set size of the agent's processes.
        disk_free_mb: Where the state directory lies.
        throttled: Whether the board slows itself down now.
        disk_written_mb: Handed to the disk by this process and by its children that have ended.
    """

    cpu_percent: float | None
    cpu_temperature_c: float | None
    memory_mb: float | None
    disk_free_mb: float | None
    throttled: bool | None
    disk_written_mb: float | None = None


class HealthProbe:
    """Measures.

    Args:
        directory: On the disk whose free space counts.
        machine: Where proc and sys are.
    """

    def __init__(self, directory: Path, *, machine: Path = Path("/")) -> None:
        self._directory = directory
        self._machine = machine
        self._proc = machine / PROC
        self._ticks: dict[int, int] = {}
        self._at_s: float | None = None

    def measure(self, pids: Iterable[int], now_s: float) -> Health:
        """Look at these processes and at the machine."""
        known = list(pids)
        return Health(
            cpu_percent=self._cpu_percent(known, now_s),
            cpu_temperature_c=_temperature_c(self._machine / THERMAL),
            memory_mb=_memory_mb(self._proc, known),
            disk_free_mb=_disk_free_mb(self._directory),
            throttled=_throttled(self._machine),
            disk_written_mb=_disk_written_mb(),
        )

    def _cpu_percent(self, pids: list[int], now_s: float) -> float | None:
        ticks = {pid: found for pid in pids if (found := _cpu_ticks(self._proc, pid)) is not None}
        before, self._ticks = self._ticks, ticks
        at_s, self._at_s = self._at_s, now_s
        if at_s is None or now_s <= at_s:
            return None
        spent = sum(max(0, count - before.get(pid, 0)) for pid, count in ticks.items())
        return round(100.0 * spent / os.sysconf("SC_CLK_TCK") / (now_s - at_s), 1)


def hardware() -> str:
    """Name of the board, or an empty string."""
    return (_text(MODEL) or "").strip("\0\n ")


def operating_system() -> str:
    """Name and version for people."""
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        return platform.system()


def _cpu_ticks(proc: Path, pid: int) -> int | None:
    fields = (_text(proc / str(pid) / "stat") or "").rpartition(")")[2].split()
    try:
        return int(fields[11]) + int(fields[12])  # proc(5): the name before may hold spaces; utime is field 14
    except (ValueError, IndexError):
        return None


def _memory_mb(proc: Path, pids: Iterable[int]) -> float | None:
    sizes_kb = [size for pid in pids if (size := _pss_kb(proc, pid)) is not None]
    return round(sum(sizes_kb) / 1024, 1) if sizes_kb else None


def _pss_kb(proc: Path, pid: int) -> int | None:
    for line in (_text(proc / str(pid) / "smaps_rollup") or "").splitlines():
        if line.startswith("Pss:"):
            return _number(line[4:].replace("kB", ""))
    return None


def _temperature_c(thermal: Path) -> float | None:
    """Of the zone that is the processor's, or of the first that says anything; nonsense is none."""
    zones = {(_text(zone / "type") or "").strip(): zone for zone in sorted(thermal.glob("thermal_zone*"), reverse=True)}
    known = [zones[kind] for kind in PROCESSOR_ZONES if kind in zones]
    for zone in [*known, thermal / "thermal_zone0"]:
        millidegrees = _number(_text(zone / "temp"))
        if millidegrees is not None and COLDEST_C <= millidegrees / 1000 <= HOTTEST_C:
            return round(millidegrees / 1000, 1)
    return None


def _throttled(machine: Path) -> bool | None:
    for path in machine.glob(THROTTLED):
        bits = _number(_text(path), base=16)
        if bits is not None:
            return bool(bits & _THROTTLED_NOW)
    return None


def _number(text: str | None, *, base: int = 10) -> int | None:
    try:
        return int((text or "").strip(), base)
    except ValueError:
        return None


def _disk_free_mb(directory: Path) -> float | None:
    try:
        disk = os.statvfs(directory)
    except OSError:
        return None
    return round(disk.f_bavail * disk.f_frsize / 1e6, 1)


def _disk_written_mb() -> float:
    """By this process and the children that it has waited for; what is in memory only (tmpfs) does not count."""
    blocks = sum(resource.getrusage(who).ru_oublock for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return round(blocks * _BLOCK_BYTES / 1e6, 3)


def _text(path: Path) -> str | None:
    try:
        with path.open("rb") as stream:
            return stream.read(_MAX_BYTES).decode("utf-8", "replace")
    except OSError:
        return None
