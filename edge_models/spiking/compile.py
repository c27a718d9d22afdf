"""Compiling the C kernel. Devices do not: their kernel comes with the package, and nothing is compiled at run time."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from edge_models.errors import RuntimeMissingError

SOURCE = Path(__file__).with_name("kernel.c")
FLAGS = ("-O3", "-std=c99", "-fvisibility=hidden", "-Wno-psabi", "-s")
"""For every compiler; psabi: vectors are passed to inlined functions only; -s: no symbols."""


def find_compiler() -> tuple[str, ...] | None:
    """The command of a C compiler of this machine: cc, gcc, clang, or the one of PyPI's ``ziglang``."""
    for name in ("cc", "gcc", "clang"):
        path = shutil.which(name)
        if path is not None:
            return (path,)
    if importlib.util.find_spec("ziglang") is not None:
        return (sys.executable, "-m", "ziglang", "cc")
    return None


def compile_kernel(output: Path, compiler: Sequence[str] | None = None, flags: Sequence[str] = ()) -> Path:
    """Compile the kernel as a shared library.

    Args:
        output: File to write; appears only when it is complete.
        compiler: Command, such as ``["gcc"]`` or ``[sys.executable, "-m", "ziglang", "cc", "-target", ...]``.
        flags: In addition to ``FLAGS``.

    Returns:
        ``output``.

    Raises:
        RuntimeMissingError: There is no compiler, or it refuses.
    """
    command = tuple(compiler) if compiler is not None else find_compiler()
    if command is None:
        raise RuntimeMissingError("no C compiler found (cc, gcc, clang), expected one: pip install ziglang brings one")
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".kernel-") as folder:
        built = Path(folder) / output.name
        arguments = [*command, *FLAGS, *flags, "-shared", "-fPIC", "-o", str(built), str(SOURCE)]
        done = _run(arguments)
        if done.returncode != 0 or not built.exists():
            lines = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines()
            reason = lines[0].strip() if lines else f"exit code {done.returncode}"
            raise RuntimeMissingError(f"{command[-1]} cannot compile {SOURCE.name}: {reason}")
        built.replace(output)
    return output


def _run(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(arguments, capture_output=True, text=True, check=False)
    except OSError as exc:
        raise RuntimeMissingError(f"compiler {arguments[0]} cannot be started: {exc.strerror}") from exc
