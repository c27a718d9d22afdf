"""Keep the notes of a native runtime off the terminal: lines that start with ``INFO: `` and no others.

TFLite's logger writes to C's ``stderr`` and has no switch. For a moment that stream is one of ours, which passes each
line on as it comes. File descriptor 2 stays as it is, so nothing that Python, faulthandler or a dying process says
there is delayed, reordered or lost.

A callback from C is code that is made at run time. Where the system forbids that (systemd's MemoryDenyWriteExecute in a
process that may write no file either, as a candidate's), the notes stay: they are no reason to refuse a model.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from typing import TypeVar

NOTE = b"INFO: "
_STDERR = 2
_Callback = TypeVar("_Callback")
_LINE_BUFFERED = 1  # _IOLBF of stdio.h

_Write = ctypes.CFUNCTYPE(ctypes.c_ssize_t, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)


class _Functions(ctypes.Structure):
    """cookie_io_functions_t of fopencookie(3)."""

    _fields_ = (("read", ctypes.c_void_p), ("write", _Write), ("seek", ctypes.c_void_p), ("close", ctypes.c_void_p))


@contextlib.contextmanager
def without_notes() -> Iterator[None]:
    """Drop the notes that native code writes to C's ``stderr`` meanwhile; where that cannot be done, do nothing."""
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if libc is None or _PASS_ON is None or not hasattr(libc, "gnu_get_libc_version"):
        yield
        return
    stderr = ctypes.c_void_p.in_dll(libc, "stderr")
    previous, stderr.value = stderr.value, _filtered(libc, _PASS_ON)
    try:
        yield
    finally:
        libc.fflush(stderr)  # and never closed: another thread may be writing to it
        stderr.value = previous


def _filtered(libc: ctypes.CDLL, pass_on: object) -> int:
    """A new FILE * that passes on what is no note."""
    libc.fopencookie.restype = ctypes.c_void_p
    libc.fopencookie.argtypes = (ctypes.c_void_p, ctypes.c_char_p, _Functions)
    libc.setvbuf.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t)
    stream: int = libc.fopencookie(None, b"w", _Functions(write=pass_on))
    libc.setvbuf(stream, None, _LINE_BUFFERED, 0)
    return stream


def _pass_on(_cookie: int, text: int, size: int) -> int:
    lines = ctypes.string_at(text, size).splitlines(keepends=True)
    with contextlib.suppress(OSError):  # nobody reads stderr any more
        os.write(_STDERR, b"".join(line for line in lines if not line.startswith(NOTE)))
    return size


def _callback(make: Callable[[Callable[[int, int, int], int]], _Callback]) -> _Callback | None:
    """What C may call, or None where no code may be made."""
    try:
        return make(_pass_on)
    except MemoryError:  # libffi found neither memory nor a file that it may write and execute
        return None


_PASS_ON = _callback(_Write)  # lives as long as the streams that call it
