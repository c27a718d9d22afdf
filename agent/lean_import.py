"""Import a library without a part of the standard library that it names and does not need here.

paho imports ``urllib.request`` to look up a proxy when PySocks is installed, and that module brings ``http`` and
``email`` with it: 2 MB in a process that is to stay below 20.
"""

from __future__ import annotations

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
