"""What is measured on usual machines, and that odd ones give None and no error."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.health import HealthProbe


def machine(root: Path, **files: str) -> Path:
    """A root with files; double underscores part directories, and @ stands for what a name may not hold."""
    for name, content in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def pi(root: Path, *, bits: str = "50005", pid: int = 7) -> Path:
    machine(
        root,
        sys__class__thermal__thermal_zone0__type="gpu-thermal\n",
        sys__class__thermal__thermal_zone0__temp="30000\n",
        sys__class__thermal__thermal_zone1__type="cpu-thermal\n",
        sys__class__thermal__thermal_zone1__temp="48312\n",
    )
    firmware = root / "sys/devices/platform/soc/soc:firmware"
    firmware.mkdir(parents=True)
    (firmware / "get_throttled").write_text(f"{bits}\n")
    process = root / "proc" / str(pid)
    process.mkdir(parents=True)
    (process / "stat").write_text(f"{pid} (a (b) c) S " + " ".join(str(field) for field in range(4, 53)))
    (process / "smaps_rollup").write_text("55d0-7ffe ---p 0 00:00 0 [rollup]\nRss: 9000 kB\nPss:    4096 kB\n")
    return root


def test_a_pi_is_read_as_its_kernel_writes(tmp_path: Path) -> None:
    health = HealthProbe(tmp_path, machine=pi(tmp_path / "pi")).measure([7], 1.0)

    assert (health.cpu_temperature_c, health.throttled, health.memory_mb) == (48.3, True, 4.0)
    assert health.disk_free_mb is not None
    assert health.disk_free_mb > 0


@pytest.mark.parametrize(("bits", "now"), [("0", False), ("50000", False), ("1", True), ("0x4", True), ("?", None)])
def test_being_slowed_down_once_since_the_start_is_not_now(tmp_path: Path, bits: str, now: bool | None) -> None:
    assert HealthProbe(tmp_path, machine=pi(tmp_path / "pi", bits=bits)).measure([], 1.0).throttled is now


def test_processor_time_is_that_between_two_looks(tmp_path: Path) -> None:
    root = pi(tmp_path / "pi")
    probe = HealthProbe(tmp_path, machine=root)
    first = probe.measure([7], 10.0).cpu_percent
    ticks = os.sysconf("SC_CLK_TCK")
    fields = [str(field) for field in range(4, 53)]
    fields[10], fields[11] = str(14 + ticks), str(15 + ticks)
    (root / "proc/7/stat").write_text("7 (a) S " + " ".join(fields))

    assert first is None
    assert probe.measure([7], 14.0).cpu_percent == 50.0


def test_a_machine_that_tells_nothing_is_no_error(tmp_path: Path) -> None:
    health = HealthProbe(tmp_path / "gone", machine=tmp_path).measure([7, 8], 1.0)

    found = (health.cpu_temperature_c, health.throttled, health.memory_mb, health.disk_free_mb)
    assert found == (None, None, None, None)


@pytest.mark.parametrize("text", ["", "--5", "²", "1e3", "999999999", "-273150", "\x00", "48\n48"])
def test_a_sensor_that_tells_nonsense_is_none(tmp_path: Path, text: str) -> None:
    machine(tmp_path, sys__class__thermal__thermal_zone0__temp=text)

    assert HealthProbe(tmp_path, machine=tmp_path).measure([], 1.0).cpu_temperature_c is None


@pytest.mark.parametrize("text", ["", "7", "7 (x) S 1 2", "7 (x) S " + "x " * 50])
def test_a_process_that_cannot_be_read_counts_nothing(tmp_path: Path, text: str) -> None:
    machine(tmp_path, proc__7__stat=text, proc__7__smaps_rollup="Pss: many kB\n")
    probe = HealthProbe(tmp_path, machine=tmp_path)
    probe.measure([7], 1.0)

    health = probe.measure([7], 2.0)

    assert (health.cpu_percent, health.memory_mb) == (0.0, None)


def test_this_machine_is_measured(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 4_000_000)
    with (tmp_path / "file").open("rb") as stream:
        os.fsync(stream.fileno())

    health = HealthProbe(tmp_path).measure([os.getpid()], 1.0)

    assert health.memory_mb is not None
    assert health.memory_mb > 1
    assert health.disk_written_mb is not None
    assert health.disk_written_mb >= 0
