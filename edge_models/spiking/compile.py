"""Compiling the C kernel, and finding one that is installed.

Installing the package builds it where a C compiler is, wheels for Linux bring it. Nothing is compiled at run time.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from edge_models.errors import RuntimeMissingError
from edge_models.spiking.program import ABI

SOURCE = Path(__file__).with_name("kernel.c")
MODULE = "edge_models.spiking._kernel"
FLAGS = ("-O3", "-std=c99", "-fvisibility=hidden", "-Wno-psabi", "-s")
"""For every compiler; psabi: vectors are passed to inlined functions only; -s: no symbols."""

_POINTER, _I32, _I64 = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64
_SIGNATURES: dict[str, tuple[object, list[object]]] = {
    "spiking_open": (_POINTER, [_POINTER, _I64, _POINTER, _I64]),
    "spiking_close": (None, [_POINTER]),
    "spiking_variant": (ctypes.c_char_p, [_POINTER]),
    "spiking_run": (_I32, [_POINTER, _POINTER, _POINTER, _POINTER]),
    "spiking_step": (_I32, [_POINTER, _POINTER, _I64, _POINTER, _POINTER]),
    "spiking_delta": (_I32, [_POINTER, _POINTER, _I32, _POINTER, _POINTER]),
    "spiking_reset": (None, [_POINTER]),
}
"""Result and arguments of the kernel's functions, as at the end of kernel.c."""


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


def open_library(path: Path) -> ctypes.CDLL:
    """Load a compiled kernel and declare its functions.

    Raises:
        RuntimeMissingError: It is no kernel for this machine, or one of another version.
    """
    try:
        library = ctypes.CDLL(str(path))
        found = library.spiking_abi()
        if found != ABI:
            raise RuntimeMissingError(f"{path} has version {found}, expected {ABI}: install the package again")
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(library, name)
            function.restype = result
            function.argtypes = arguments
    except (OSError, AttributeError) as exc:
        raise RuntimeMissingError(f"{path} cannot be loaded: {exc}") from exc
    return library


@functools.cache
def _installed() -> ctypes.CDLL | str:
    """The installed kernel, or why there is none."""
    spec = importlib.util.find_spec(MODULE)
    if spec is None or spec.origin is None:
        return "the C kernel is not installed: pip install the package where a C compiler is, or a wheel that has it"
    try:
        return open_library(Path(spec.origin))
    except RuntimeMissingError as exc:
        return str(exc)


def load() -> ctypes.CDLL | None:
    """The installed kernel; None when there is none, ``why_missing`` then says why."""
    found = _installed()
    return None if isinstance(found, str) else found


def why_missing() -> str | None:
    """One line on why there is no kernel here; None when there is one."""
    found = _installed()
    return found if isinstance(found, str) else None
