"""The executor in C: the same integers as the reference, many times faster."""

from __future__ import annotations

import ctypes
import threading
import weakref
from typing import TYPE_CHECKING

import numpy as np

from edge_models.errors import NetworkError, RuntimeMissingError
from edge_models.spiking.executor import SpikingAnswer
from edge_models.spiking.installed import load, why_missing
from edge_models.spiking.network import Network
from edge_models.spiking.program import to_program
from edge_models.spiking.ranges import INT32_MAX

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BAD_INPUT = -1
_UNCHANGED = 0
_INT32 = np.dtype(np.int32)


class Kernel:
    """Runs a network in C, event-driven, one frame at a time.

    Made for one thread. Calls from several wait for each other: C code runs without the interpreter's lock, and two
    frames in the same memory would give wrong answers or read beyond it.
    """

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
        self._free.atexit = False  # the system frees it then, and a thread may still be running a frame
        self._lock = threading.Lock()
        self._variant: str = found.spiking_variant(self._handle).decode()
        self._x = np.zeros(network.input_shape, np.int32)
        self._logits = np.zeros(network.readout.shape[2], np.int32)
        self._counts = np.zeros(network.features, np.int32)
        self._x_at, *answer = (ctypes.c_void_p(array.ctypes.data) for array in (self._x, self._logits, self._counts))
        self._answer_at = tuple(answer)
        self._latest: SpikingAnswer | None = None
        self._is_open = True

    @property
    def name(self) -> str:
        """``c``."""
        return "c"

    @property
    def variant(self) -> str:
        """Which vectors are used: ``avx2``, ``neon``, or ``portable`` for those that every such processor has."""
        return self._variant

    def run(self, x: NDArray[np.int32]) -> SpikingAnswer:
        """Run one frame, int32 of the network's ``input_shape``, from scratch.

        Raises:
            ValueError: ``x`` has another shape, or values that are no codes of the input.
        """
        with self._lock:
            self._take(x)
            return self._answer(self._library.spiking_run(self._handle, self._x_at, *self._answer_at))

    def run_stepwise(self, x: NDArray[np.int32]) -> SpikingAnswer:
        """Run one frame in ``steps`` steps: bit planes for radix, else plain integrate-and-fire neurons.

        For ``radix`` and ``if`` the answer is that of ``run``. For ``atf`` it is what the same network gives with
        coding ``if``; benchmarks compare that with other simulators.
        """
        with self._lock:
            self._take(x)
            return self._answer(self._library.spiking_step(self._handle, self._x_at, -1, *self._answer_at))

    def run_early(self, x: NDArray[np.int32], margin: int) -> SpikingAnswer:
        """Run one frame of a network with coding ``if`` until its answer is decided.

        Stops after step t when the two largest logits differ by at least ``margin`` * t.

        Args:
            x: As for ``run``.
            margin: Of one step, in the units of the accumulators, at most 2**31 - 1.

        Returns:
            The answer after ``steps`` steps: its logits are in units of the readout's scale / steps.
        """
        if self._network.coding != "if":
            raise ValueError(f"early exit needs coding if, found {self._network.coding}")
        if not 0 <= margin <= INT32_MAX:
            raise ValueError(f"margin is {margin}, expected 0 to {INT32_MAX}")
        with self._lock:
            self._take(x)
            return self._answer(self._library.spiking_step(self._handle, self._x_at, margin, *self._answer_at))

    def run_delta(self, x: NDArray[np.int32], threshold: int = 0) -> SpikingAnswer:
        """Run the next frame of a stream: accumulators persist, only what has changed is propagated.

        With coding ``if``, whose membranes start anew in each frame, only a frame without changes is saved.

        Args:
            x: As for ``run``.
            threshold: Send-on-delta: an input that differs from the value last taken by less is taken as unchanged;
                0 and 1 are exact.

        Returns:
            The answer of ``run`` for the inputs as they were taken; its arrays are read-only, because a frame without
            changes returns them again.
        """
        if not 0 <= threshold <= INT32_MAX:
            raise ValueError(f"threshold is {threshold}, expected 0 to {INT32_MAX}")
        with self._lock:
            self._take(x)
            steps = self._library.spiking_delta(self._handle, self._x_at, threshold, *self._answer_at)
            if steps != _UNCHANGED or self._latest is None:
                self._latest = self._answer(steps)
                self._latest.logits.flags.writeable = self._latest.counts.flags.writeable = False
            return self._latest

    def reset(self) -> None:
        """Forget the stream: the next frame of ``run_delta`` is its first one."""
        with self._lock:
            if self._is_open:
                self._library.spiking_reset(self._handle)

    def close(self) -> None:
        """Free the memory of the kernel; a second call does nothing."""
        with self._lock:
            self._is_open = False
            self._free()

    def _take(self, x: NDArray[np.int32]) -> None:
        if not self._is_open:
            raise RuntimeError("the kernel is closed")
        if x.shape != self._network.input_shape or (x.dtype is not _INT32 and x.dtype != _INT32):
            raise ValueError(f"frame is {x.dtype}{list(x.shape)}, expected int32{list(self._x.shape)}")
        self._x[...] = x

    def _answer(self, steps: int) -> SpikingAnswer:
        if steps == _BAD_INPUT:
            raise ValueError("frame has values outside the codes of the network's input")
        return SpikingAnswer(logits=self._logits.copy(), counts=self._counts.copy(), steps=steps)
