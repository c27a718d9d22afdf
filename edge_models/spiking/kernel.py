"""The executor in C: the same integers as the reference, many times faster."""

from __future__ import annotations

import ctypes
import weakref
from typing import TYPE_CHECKING

import numpy as np

from edge_models.errors import NetworkError, RuntimeMissingError
from edge_models.spiking.compile import load, why_missing
from edge_models.spiking.executor import SpikingAnswer
from edge_models.spiking.network import Network
from edge_models.spiking.program import to_program

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BAD_INPUT = -1


class Kernel:
    """Runs a network in C, event-driven, one frame at a time, in one thread."""

    def __init__(self, network: Network, library: ctypes.CDLL | None = None, *, is_portable: bool = False) -> None:
        """Prepare ``network``.

        Args:
            network: Is checked.
            library: From ``compile.open_library``; the installed one when left out.
            is_portable: Do not use what only some processors of a family have.

        Raises:
            NetworkError: The network cannot be executed exactly.
            RuntimeMissingError: No kernel is installed.
        """
        found = library or load()
        if found is None:
            raise RuntimeMissingError(why_missing() or "no C kernel")
        words, weights = to_program(network, is_portable=is_portable)
        self._library = found
        self._network = network
        handle = found.spiking_open(words.ctypes.data, words.size, weights.ctypes.data, weights.size)
        if handle is None:
            raise NetworkError(f"the C kernel refuses the network {network.nodes[-1].name}, or memory is full")
        self._handle = ctypes.c_void_p(handle)
        self._free = weakref.finalize(self, found.spiking_close, self._handle)
        self._x = np.zeros(network.input_shape, np.int32)
        self._logits = np.zeros(network.readout.shape[2], np.int32)
        self._counts = np.zeros(network.features, np.int32)
        self._addresses = tuple(ctypes.c_void_p(array.ctypes.data) for array in (self._x, self._logits, self._counts))

    @property
    def name(self) -> str:
        """``c``."""
        return "c"

    @property
    def variant(self) -> str:
        """Which vectors are used, such as ``avx2``."""
        name: bytes = self._library.spiking_variant(self._handle)
        return name.decode()

    def run(self, x: NDArray[np.int32]) -> SpikingAnswer:
        """Run one frame, int32 of the network's ``input_shape``, from scratch.

        Raises:
            ValueError: ``x`` has another shape, or values that are no codes of the input.
        """
        self._take(x)
        return self._answer(self._library.spiking_run(self._handle, *self._addresses))

    def close(self) -> None:
        """Free the memory of the kernel; a second call does nothing."""
        self._free()

    def _take(self, x: NDArray[np.int32]) -> None:
        if not self._free.alive:
            raise RuntimeError("the kernel is closed")
        if x.shape != self._x.shape or x.dtype != np.int32:
            raise ValueError(f"frame is {x.dtype}{list(x.shape)}, expected int32{list(self._x.shape)}")
        self._x[...] = x

    def _answer(self, steps: int) -> SpikingAnswer:
        if steps == _BAD_INPUT:
            raise ValueError("frame has values outside the codes of the network's input")
        return SpikingAnswer(logits=self._logits.copy(), counts=self._counts.copy(), steps=steps)
