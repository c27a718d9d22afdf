"""Import a library without a part of the standard library that it names and does not need here.

``dataclasses`` imports ``inspect``, which brings ``ast``, ``dis`` and ``tokenize``, to make up the docstring of a class
that has none: 0.8 MB for a text that nobody reads. paho imports ``urllib.request`` to look up a proxy when PySocks is
installed, and that module brings ``http`` and ``email`` with it: 2 MB in a process that is to stay below 20.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


@contextmanager
def without(name: str, *, unless: str) -> Iterator[None]:
    """Let imports in the ``with`` block find an empty module ``name``; afterwards the real one can be imported.

    Args:
        name: Module to do without.
        unless: With this module installed, ``name`` is needed, and nothing is done.
    """
    if name in sys.modules or importlib.util.find_spec(unless) is not None:
        yield
        return
    sys.modules[name] = ModuleType(name)
    try:
        yield
    finally:
        del sys.modules[name]


def spare_inspect() -> None:
    """Load ``dataclasses`` with a stand-in for ``inspect``; nothing happens where either is there already."""
    if "dataclasses" in sys.modules or "inspect" in sys.modules:
        return
    stand_in = ModuleType("inspect")
    stand_in.signature = lambda *_, **__: "()"  # type: ignore[attr-defined]
    sys.modules["inspect"] = stand_in
    try:
        importlib.import_module("dataclasses")
    finally:
        del sys.modules["inspect"]
