"""Finding the C kernel that is installed.

Installing the package builds it where a C compiler is, wheels for Linux bring it. This is apart from
``edge_models.spiking.compile``, whose tools a device has no need to hold in memory.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
from pathlib import Path

from edge_models.errors import RuntimeMissingError
from edge_models.spiking.program import ABI

MODULE = "edge_models.spiking._kernel"

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
