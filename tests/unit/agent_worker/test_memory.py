"""Memory of this process."""

from __future__ import annotations

import sys

import pytest

from agent.memory import release_unused, resident_kb


def test_a_large_array_shows_in_the_resident_memory() -> None:
    before_kb = resident_kb()

    data = bytearray(b"x" * (32 << 20))

    assert resident_kb() - before_kb > 30_000
    assert len(data) == 32 << 20


@pytest.mark.skipif(sys.platform != "linux", reason="malloc_trim is glibc's")
def test_small_holes_in_the_heap_are_given_back() -> None:
    pieces = [bytes(700) for _ in range(60_000)]  # above what pymalloc serves, below what mmap serves
    kept = pieces[-1]  # holds the top of the heap
    full_kb = resident_kb()

    del pieces
    release_unused()

    assert resident_kb() < full_kb - 20_000
    assert len(kept) == 700
