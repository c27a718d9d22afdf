"""Sees to it that a checkout has the C kernel of spiking networks, with the compiler that is there or one from PyPI.

pip compiles it while it installs the checkout, if the machine has a C compiler. If not, the environment in which the
tests run gets PyPI's ``ziglang``, so that the kernel is tested everywhere. Without any compiler everything works, only
slower, and one line says so. The standard library alone, as in `deploy.bootstrap`.
"""

from __future__ import annotations

import importlib.machinery
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from deploy.bootstrap_progress import CommandFailedError, run, say

SOURCE = Path("edge_models", "spiking", "kernel.c")
COMPILERS = ("cc", "gcc", "clang")
TESTED = frozenset({"demo", "dev"})  # the environment of the tests; a device's own never gets a compiler

Find = Callable[[str], "str | None"]


def compiler_extra(extras: Iterable[str], find: Find = shutil.which) -> list[str]:
    """Return the extra that brings a C compiler, when the tests need it and the machine has none."""
    return ["wheels"] if set(extras) >= TESTED and not any(find(name) for name in COMPILERS) else []


def is_built(root: Path) -> bool:
    """Tell whether a checkout has a kernel for this Python that is not older than its source."""
    source = root / SOURCE
    built = (source.with_name("_kernel" + suffix) for suffix in importlib.machinery.EXTENSION_SUFFIXES)
    return any(path.exists() and path.stat().st_mtime >= source.stat().st_mtime for path in built)


def build_kernel(python: Path, root: Path, keep_open: Sequence[int] = ()) -> None:
    """Compile the kernel if pip has not; without a compiler, say what that means."""
    if not (root / SOURCE).exists() or is_built(root):
        return
    try:
        command = [str(python), "-m", "edge_models.spiking.build"]
        run(command, "compiling the kernel of spiking networks", cwd=root, keep_open=keep_open)
    except CommandFailedError as exc:
        say(f"{exc}\ndriftline: spiking networks work without their C kernel, slower")
