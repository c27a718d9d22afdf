"""How the machine is doing, read from /proc and /sys; what cannot be read is None, never an error."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
THERMAL = Path("/sys/class/thermal/thermal_zone0/temp")
THROTTLED = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")  # Raspberry Pi OS; bits as vcgencmd's
MODEL = PROC / "device-tree/model"
_THROTTLED_NOW = 0b1111  # bits 0 to 3: under-voltage, capped, throttled, soft limit; 16 to 19 are "since boot"
_MAX_BYTES = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """One measurement.

    Attributes:
        cpu_percent: Processor time of the agent's processes since the last one; 100 is one core.
        cpu_temperature_c: Of the processor.
        memory_mb: Proportional set size of the agent's processes.
        disk_free_mb: Where the state directory lies.
        throttled: Whether the board slows itself down now.
    """

    cpu_percent: float | None
    cpu_temperature_c: float | None
    memory_mb: float | None
    disk_free_mb: float | None
    throttled: bool | None


class HealthProbe:
    """Measures.

    Args:
        directory: On the disk whose free space counts.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._ticks: dict[int, int] = {}
        self._at_s: float | None = None

    def measure(self, pids: Iterable[int], now_s: float) -> Health:
        """Look at these processes and at the machine."""
        known = list(pids)
        return Health(
            cpu_percent=self._cpu_percent(known, now_s),
            cpu_temperature_c=_temperature_c(),
            memory_mb=_memory_mb(known),
            disk_free_mb=_disk_free_mb(self._directory),
            throttled=_throttled(),
        )

    def _cpu_percent(self, pids: list[int], now_s: float) -> float | None:
        ticks = {pid: found for pid in pids if (found := _cpu_ticks(pid)) is not None}
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


def _cpu_ticks(pid: int) -> int | None:
    text = _text(PROC / str(pid) / "stat")
    if text is None:
        return None
    fields = text.rpartition(")")[2].split()  # proc(5): the name before it may hold spaces; utime is field 14
    return int(fields[11]) + int(fields[12]) if len(fields) > 12 else None


def _memory_mb(pids: Iterable[int]) -> float | None:
    sizes_kb = [size for pid in pids if (size := _pss_kb(pid)) is not None]
    return round(sum(sizes_kb) / 1024, 1) if sizes_kb else None


def _pss_kb(pid: int) -> int | None:
    for line in (_text(PROC / str(pid) / "smaps_rollup") or "").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return None


def _temperature_c() -> float | None:
    text = (_text(THERMAL) or "").strip()
    return round(int(text) / 1000, 1) if text.lstrip("-").isdigit() else None


def _throttled() -> bool | None:
    text = (_text(THROTTLED) or "").strip()
    try:
        return bool(int(text, 16) & _THROTTLED_NOW)
    except ValueError:
        return None


def _disk_free_mb(directory: Path) -> float | None:
    try:
        disk = os.statvfs(directory)
    except OSError:
        return None
    return round(disk.f_bavail * disk.f_frsize / 1e6, 1)


def _text(path: Path) -> str | None:
    try:
        with path.open("rb") as stream:
            return stream.read(_MAX_BYTES).decode("utf-8", "replace")
    except OSError:
        return None
