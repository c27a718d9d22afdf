"""Damaged and hostile files in a bundle whose digests are right: a candidate is rejected, and nothing else happens.

Each is run by a real candidate under its real limits; what is left of the mutations that pass the golden inputs must
also answer frames.
"""

from __future__ import annotations

import random
import select
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agent import ipc
from agent.candidate_slot import CandidateSlot
from agent.core import events as ev
from edge_models.bundle import Bundle, file_entries, write_bundle
from edge_models.npz import write_npz
from tests.factories.bundles import INT8
from tests.factories.frames import digit_frames
from tests.integration.agent_worker.forked import Forks

pytestmark = pytest.mark.integration

SEED = 20_261_122
MUTATIONS = {"digits-int8.tflite": 90, "int8-profile.npz": 15, "int8-probe.npz": 15}
DECIDED_S = 20.0
MEMORY_MB = 256.0
FRAMES = 5
EXTREMES = (0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x00010000, 0x00FFFFFF, 0)

Mutate = Callable[[bytes, random.Random], bytes]


def flipped(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 2, 8, 32))):
        changed[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(changed)


def extreme(data: bytes, rng: random.Random) -> bytes:
    """Lengths, offsets, dimensions and quantisation at the ends of their ranges."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 3))):
        struct.pack_into("<I", changed, 4 * rng.randrange(2, len(data) // 4), rng.choice(EXTREMES))
    return bytes(changed)


def cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(1, len(data))]


def smeared(data: bytes, rng: random.Random) -> bytes:
    start, length = rng.randrange(8, len(data)), rng.randrange(1, 400)
    return (data[:start] + bytes([rng.choice((0, 255, 128))]) * length + data[start + length :])[: len(data)]


def doubled(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(8, len(data))
    return data[:start] + data[start : start + 512] + data[start:]


def mutations() -> Iterator[tuple[str, int]]:
    for name, count in MUTATIONS.items():
        yield from ((name, number) for number in range(count))


def with_file(bundle: Bundle, directory: Path, name: str, data: bytes) -> Bundle:
    """A signed bundle whose file is another one; the supervisor has nothing to refuse."""
    files = {file: bundle.read(file) for file in bundle.manifest.files} | {name: data}
    return write_bundle(directory, replace(bundle.manifest, files=file_entries(files)), files)


def died(event: ev.CandidateDied) -> str:
    if event.reason.startswith(("bundle: ", "runtime: ")):
        return "refused"
    return "crashed" if "(signal " in event.reason else event.reason


class Trials:
    """One candidate after the other."""

    def __init__(self, forks: Forks, root: Path) -> None:
        self.root = root
        self.frames = digit_frames(FRAMES, seed=5)[0]
        self.slot = CandidateSlot(
            bundle_dir=lambda name: root / name, boot=1, spawn=forks.spawn, silence_s=10.0, memory_mb=MEMORY_MB
        )

    def run(self, bundle: Bundle) -> str:
        """What becomes of a candidate."""
        assert self.slot.start(bundle.id, INT8, time.monotonic()) == []
        tested = self.wait_for(ev.CandidateTested)
        if not isinstance(tested, ev.CandidateTested) or not tested.ok:
            self.slot.stop()
            return died(tested) if isinstance(tested, ev.CandidateDied) else "failed its test"
        for position, frame in enumerate(self.frames):
            copy = ipc.ShadowFrame(position=position, label=0, dtype="uint8", shape=frame.shape)
            self.slot.compare(copy, frame.tobytes())
        last = self.wait_for(ev.CandidateCompared)
        self.slot.stop()
        return f"{died(last)} on trial" if isinstance(last, ev.CandidateDied) else "runs"

    def wait_for(self, kind: type[ev.CandidateTested | ev.CandidateCompared]) -> object:
        until_s = time.monotonic() + DECIDED_S
        while time.monotonic() < until_s:
            watched = self.slot.watched()
            select.select([one.fd for one in watched], [], [], 0.5)
            now_s = time.monotonic()
            for event in [*self.slot.on_readable(now_s), *self.slot.tick(now_s)]:
                if isinstance(event, (kind, ev.CandidateDied)):
                    return event
        raise AssertionError(f"nothing is decided after {DECIDED_S:g} s")


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks() as made:
        yield made


def test_no_mutation_is_more_than_a_rejection(
    forks: Forks, bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ways: tuple[Mutate, ...] = (flipped, extreme, extreme, cut, smeared, doubled)
    trials, outcomes = Trials(forks, tmp_path), Counter[str]()
    for name, number in mutations():
        rng = random.Random(f"{SEED}{name}{number}")
        data = ways[number % len(ways)](bundle.read(name), rng)
        hostile = with_file(bundle, tmp_path / "new", name, data)
        (tmp_path / "new").rename(tmp_path / hostile.id)
        outcomes[trials.run(replace(hostile, directory=tmp_path / hostile.id))] += 1
    with capsys.disabled():
        print(f"\n{sum(MUTATIONS.values())} hostile models: {dict(outcomes)}")

    assert sum(outcomes.values()) == sum(MUTATIONS.values())
    assert set(outcomes) <= {"refused", "crashed", "crashed on trial", "failed its test", "runs"}
    assert outcomes["refused"] > sum(MUTATIONS.values()) // 2


def test_a_model_that_unpacks_to_gigabytes_is_refused(forks: Forks, bundle: Bundle, tmp_path: Path) -> None:
    bomb = write_npz({"x": np.zeros((16, 1 << 22), np.uint8), "y_logits": np.zeros((16, 10), np.int8)})
    hostile = with_file(bundle, tmp_path / "new", "int8-probe.npz", bomb)
    (tmp_path / "new").rename(tmp_path / hostile.id)

    assert Trials(forks, tmp_path).run(hostile) == "refused"


def test_the_next_candidate_of_a_good_model_passes(forks: Forks, bundle: Bundle, tmp_path: Path) -> None:
    good = with_file(bundle, tmp_path / "new", "digits-int8.tflite", bundle.read("digits-int8.tflite"))
    (tmp_path / "new").rename(tmp_path / good.id)

    assert Trials(forks, tmp_path).run(good) == "runs"
