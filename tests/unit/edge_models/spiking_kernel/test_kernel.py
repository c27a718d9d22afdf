"""Every answer of the kernel is the reference's, bit for bit."""

from __future__ import annotations

import ctypes
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_models.spiking.executor import Executor
from edge_models.spiking.kernel import Kernel
from edge_models.spiking.network import Coding
from edge_models.spiking.reference import Reference
from edge_models.tensors import Dtype
from tests.assets import spiking

EXAMPLES = settings(max_examples=60)

seeds = st.integers(0, 1000)
kinds = st.sampled_from(spiking.KINDS)
codes = st.sampled_from([("uint8", 0), ("int8", -128), ("int8", 5)])


def test_it_is_an_executor(library: ctypes.CDLL) -> None:
    executor: Executor = Kernel(spiking.network(0), library)

    assert executor.name == "c"
    executor.close()
    executor.close()


@EXAMPLES
@given(
    seed=seeds,
    kind=kinds,
    code=codes,
    coding=st.sampled_from([("atf", 1), ("atf", 4), ("atf", 15), ("atf", 255), ("radix", 4)]),
    is_portable=st.booleans(),
)
def test_counts_and_logits_are_those_of_the_reference(
    library: ctypes.CDLL,
    seed: int,
    kind: spiking.Kind,
    code: tuple[Dtype, int],
    coding: tuple[Coding, int],
    is_portable: bool,
) -> None:
    network = spiking.network(seed, coding=coding[0], steps=coding[1], kind=kind, dtype=code[0], zero_point=code[1])
    kernel = Kernel(network, library, is_portable=is_portable)
    frames = spiking.frames(network, seed, 3)
    frames[0, ::2] = 0

    logits, counts = Reference(network).run_batch(frames)

    for index, frame in enumerate(frames):
        answer = kernel.run(frame)
        np.testing.assert_array_equal(answer.logits, logits[index])
        np.testing.assert_array_equal(answer.counts, counts[index])
        assert answer.steps == network.steps
    kernel.close()


@pytest.mark.parametrize("bad", [np.zeros((9, 8, 1), np.int32), np.zeros((9, 8, 2), np.int64)])
def test_a_frame_of_another_shape_or_dtype_is_refused(library: ctypes.CDLL, bad: object) -> None:
    kernel = Kernel(spiking.network(0), library)

    with pytest.raises(ValueError, match=r"expected int32\[9, 8, 2\]"):
        kernel.run(bad)  # type: ignore[arg-type]


def test_a_value_that_is_no_code_is_refused(library: ctypes.CDLL) -> None:
    kernel = Kernel(spiking.network(0), library)

    with pytest.raises(ValueError, match="outside the codes"):
        kernel.run(np.full((9, 8, 2), 256, np.int32))


def test_a_closed_kernel_says_so(library: ctypes.CDLL) -> None:
    kernel = Kernel(spiking.network(0), library)
    kernel.close()

    with pytest.raises(RuntimeError, match="closed"):
        kernel.run(np.zeros((9, 8, 2), np.int32))


def test_threads_that_share_a_kernel_wait_for_each_other(library: ctypes.CDLL) -> None:
    network = spiking.network(1, kind="benchmark")
    kernel = Kernel(network, library)
    frames = [np.zeros(network.input_shape, np.int32), *spiking.frames(network, 0, 3)]
    expected = [kernel.run(frame).logits for frame in frames]

    def wrong(index: int) -> int:
        return sum(not np.array_equal(kernel.run(frames[index]).logits, expected[index]) for _ in range(150))

    with ThreadPoolExecutor(len(frames)) as threads:
        assert sum(threads.map(wrong, range(len(frames)))) == 0


def test_a_kernel_that_is_closed_between_frames_of_another_thread_says_so(library: ctypes.CDLL) -> None:
    network = spiking.network(1, kind="benchmark")
    kernel = Kernel(network, library)
    frame = spiking.frames(network, 0, 1)[0]

    def run_until_closed() -> str:
        while True:
            try:
                kernel.run(frame)
            except RuntimeError as exc:
                return str(exc)

    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(run_until_closed)
        kernel.run(frame)
        kernel.close()
        assert running.result() == "the kernel is closed"
