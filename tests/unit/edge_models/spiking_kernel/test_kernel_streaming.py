"""The policy for streams around the real kernel: whatever it chooses, and whenever, no bit of any answer changes."""

from __future__ import annotations

import ctypes
import itertools
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_models.spiking.kernel import Kernel
from edge_models.spiking.reference import Reference
from edge_models.spiking.streaming import Fastest, Streaming
from tests.assets.spiking import KINDS, Kind, frames, network

FRAMES = 150


class ErraticClock:
    """Every executor seems fast at times and slow at others, so that the policy changes its mind all the time."""

    def __init__(self, seed: int) -> None:
        self._rng = Random(seed)
        self._now_ns = 0

    def __call__(self) -> int:
        self._now_ns += int(10 ** self._rng.uniform(0, 4))
        return self._now_ns


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 1000), st.sampled_from(KINDS), st.sampled_from(["atf", "radix"]), st.floats(0, 1))
def test_a_stream_is_exact_whatever_executor_takes_each_frame(
    library: ctypes.CDLL, seed: int, kind: Kind, coding: str, share: float
) -> None:
    net = network(seed, kind=kind, coding=coding, steps=3)  # type: ignore[arg-type]
    rng = np.random.default_rng(seed)
    x = frames(net, seed, FRAMES)
    for before, after in itertools.pairwise(x):
        np.copyto(after, before, where=rng.random(after.shape) < share)
    clock = ErraticClock(seed)
    executor = Streaming(Kernel(net, library), lambda: Fastest([Kernel(net, library), Reference(net)], clock), clock)
    logits, counts = Reference(net).run_batch(x)

    answers = [executor.run(frame) for frame in x]

    np.testing.assert_array_equal([answer.logits for answer in answers], logits)
    np.testing.assert_array_equal([answer.counts for answer in answers], counts)


@pytest.mark.parametrize("seed", range(5))
def test_an_erratic_clock_really_makes_the_policy_change_its_mind(library: ctypes.CDLL, seed: int) -> None:
    net = network(seed)
    executor = Streaming(Kernel(net, library), lambda: Reference(net), ErraticClock(seed))
    names = []

    for frame in frames(net, seed, 600):
        names.append(executor.name)
        executor.run(frame)

    assert {"c-delta", "numpy"} == set(names)
