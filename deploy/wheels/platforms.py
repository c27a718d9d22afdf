"""For which machines wheels are built, and how a compiled kernel is told to be for one of them."""

from __future__ import annotations

from dataclasses import dataclass

_ELF = b"\x7fELF"
_MACHINE_AT = 18  # e_machine of an ELF header, two bytes (System V ABI, "ELF Header")


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """One kind of machine.

    Attributes:
        name: As the user names it, and as `uname -m` there.
        target: The zig compiler's name for it, with the oldest glibc.
        flags: More for the compiler.
        machine: `e_machine` of its ELF files.
        tags: Of the wheel, PEP 600.
    """

    name: str
    target: str
    flags: tuple[str, ...]
    machine: int
    tags: tuple[str, ...]


def _manylinux(machine: str) -> tuple[str, ...]:
    # manylinux2014 is the older name of manylinux_2_17; pip 19.3 to 20.2 know that one only.
    return (f"manylinux2014_{machine}", f"manylinux_2_17_{machine}")


PLATFORMS = (
    Platform(name="x86_64", target="x86_64-linux-gnu.2.17", flags=(), machine=62, tags=_manylinux("x86_64")),
    Platform(name="aarch64", target="aarch64-linux-gnu.2.17", flags=(), machine=183, tags=_manylinux("aarch64")),
    # Cortex-A7: the Pi 2 and newer with a 32-bit system. The Pi 1 and Zero (armv6) take the plain wheel.
    Platform(
        name="armv7l",
        target="arm-linux-gnueabihf.2.17",
        flags=("-mcpu=cortex_a7",),
        machine=40,
        tags=_manylinux("armv7l"),
    ),
)
BY_NAME = {platform.name: platform for platform in PLATFORMS}


def is_for(library: bytes, platform: Platform) -> bool:
    """Whether a compiled library is an ELF file for the platform's processor."""
    machine = int.from_bytes(library[_MACHINE_AT : _MACHINE_AT + 2], "little")
    return library.startswith(_ELF) and machine == platform.machine
