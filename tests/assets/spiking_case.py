"""The fixed case: one spiking network of every part, the same integers on every machine, and what must come out.

Its numbers come from SHAKE-256, not from a random generator of some numpy version. The digests are over all logits and
counts of all frames: whatever executes a spiking network, on whatever processor, must give them bit by bit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge_models.spiking.executor import DeltaExecutor, Executor, SpikingAnswer
from edge_models.spiking.network import Coding, Network, Neurons, Pool, Readout, Shape, SynapseKind, Synapses
from edge_models.tensors import QuantParams, TensorSpec

FRAMES = 12
INPUT: Shape = (9, 10, 2)
ZERO_POINT = 20
MARGIN = 150
HOLD = 10
DIGESTS = {
    "atf": "66c5f6981b5e980ba0d1cfd8af3812601d8b99fa762757a9e34416f9c348ad60",
    "atf-held": "42a5eff3828e3098677661303adbfa8105cd25ec44878904ab7ce87a82bf190f",
    "radix": "690a6d43d3b910fce1f047499e3cc7a0eac1bc6e11c366b2a7353ea12a60e8e9",
    "radix-held": "ddc1b42ba4c73aeb4512683a50140f1b37de18b2b05adb24cf3df660fdab0a0d",
    "if": "a221f531a2b03ca996d75c7b345cef66f3b9dc925d0e349c43d25f6519a04f84",
    "if-held": "8b110a9dd035a1993b1fd3793fddde93b11d93a2a6d1d287718ebdc74581c227",
    "if-early": "284ebdef43e188d15518b83bf2dd94f3e4fcae57c0852188e3f0a69173ad7c3c",
}
STEPS: dict[Coding, int] = {"atf": 6, "radix": 4, "if": 5}


class EarlyExecutor(Executor, Protocol):
    """An executor that can stop when the answer is decided."""

    def run_early(self, x: NDArray[np.int32], margin: int) -> SpikingAnswer:
        """Run one frame of a network with coding ``if`` until its answer is decided."""


def case(coding: Coding) -> Network:
    """The network of the fixed case: uneven padding, strides, a pool, a depthwise layer, an addition, dense layers."""
    fan_out = _weights("identity", (1, 1, 8))
    nodes = (
        _neurons("first", (9, 10, 8), 9000, _synapses(0, "conv", (3, 3, 2, 8), padding=(1, 1, 1, 1))),
        Pool(name="pool", shape=(4, 5, 8), source=1, size=(2, 2), stride=(2, 2)),
        _neurons("filtered", (4, 5, 8), 160, _synapses(2, "depthwise", (3, 3, 8), padding=(1, 1, 1, 1))),
        _neurons(
            "added",
            (4, 5, 8),
            420,
            _synapses(3, "conv", (3, 3, 8, 8), padding=(1, 1, 1, 1)),
            Synapses(source=2, kind="depthwise", weight=np.abs(fan_out) // 16, shift=3),
        ),
        _neurons("strided", (2, 3, 12), 330, _synapses(4, "conv", (3, 2, 8, 12), stride=(2, 2), padding=(0, 1, 1, 0))),
        _neurons("dense", (1, 1, 24), 400, _synapses(5, "dense", (72, 24))),
        Readout(
            name="readout",
            shape=(1, 1, 7),
            synapses=(_synapses(6, "dense", (24, 7)),),
            bias=_integers("readout.bias", 7, 200),
            scale=0.03125,
        ),
    )
    quant = QuantParams(scale=1 / 128, zero_point=ZERO_POINT)
    spec = TensorSpec(shape=INPUT, dtype="uint8", quant=quant)
    return Network(coding=coding, steps=STEPS[coding], input=spec, input_shape=INPUT, nodes=nodes)


def stream() -> NDArray[np.int32]:
    """Centred codes (frames, 9, 10, 2): noise, then a still scene, one changed pixel, a moving block, noise again."""
    codes = _bytes("frames", FRAMES * int(np.prod(INPUT))).astype(np.int32).reshape(FRAMES, *INPUT)
    codes[1:8] = codes[1]
    codes[3:, 4, 5, 1] ^= 64
    for frame in range(4, 8):
        codes[frame, 2:5, frame : frame + 3] = 255 - codes[frame, 2:5, frame : frame + 3]
    codes[8] = np.clip(codes[7] + _bytes("noise", codes[7].size).reshape(INPUT) % 9 - 4, 0, 255)
    return codes - np.int32(ZERO_POINT)


def digest(answers: Iterable[SpikingAnswer]) -> str:
    """SHA-256 over the steps, logits and counts of all answers, as little-endian 32-bit integers."""
    total = hashlib.sha256()
    for answer in answers:
        total.update(answer.steps.to_bytes(4, "little"))
        total.update(answer.logits.astype("<i4").tobytes())
        total.update(answer.counts.astype("<i4").tobytes())
    return total.hexdigest()


def stills(executor: Executor) -> Iterator[SpikingAnswer]:
    """Every frame for itself."""
    return (executor.run(frame) for frame in stream())


def early(executor: EarlyExecutor) -> Iterator[SpikingAnswer]:
    """Every frame until it is decided."""
    return (executor.run_early(frame, MARGIN) for frame in stream())


def held(executor: DeltaExecutor) -> Iterator[SpikingAnswer]:
    """The frames as a stream, in which small changes of an input are held back."""
    executor.reset()
    return (executor.run_delta(frame, HOLD) for frame in stream())


def exact(executor: DeltaExecutor) -> Iterator[SpikingAnswer]:
    """The frames as a stream without holding anything back: the answers are those of stills."""
    executor.reset()
    return (executor.run_delta(frame) for frame in stream())


def held_one_by_one(executor: Executor) -> Iterator[SpikingAnswer]:
    """What ``held`` must give, by the definition of send-on-delta and without state in the executor."""
    taken = stream()[0]
    for frame in stream():
        taken = np.where(np.abs(frame - taken) >= HOLD, frame, taken)
        yield executor.run(taken)


def _neurons(name: str, shape: Shape, threshold: int, *synapses: Synapses) -> Neurons:
    around = _integers(f"{name}.threshold", shape[2], threshold // 3)
    bias = _integers(f"{name}.bias", shape[2], threshold // 4)
    return Neurons(
        name=name, shape=shape, synapses=synapses, bias=bias, threshold=(threshold + around).astype(np.int32)
    )


def _synapses(
    source: int,
    kind: SynapseKind,
    shape: tuple[int, ...],
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
) -> Synapses:
    weight = _weights(f"{source}.{kind}", shape)
    return Synapses(source=source, kind=kind, weight=weight, stride=stride, padding=padding)


def _weights(name: str, shape: tuple[int, ...]) -> NDArray[np.int8]:
    values = _bytes(name, int(np.prod(shape))).astype(np.int16) % 255 - 127
    return values.astype(np.int8).reshape(shape)


def _integers(name: str, count: int, size: int) -> NDArray[np.int32]:
    """From -size to size."""
    pairs = _bytes(name, 2 * count).view("<u2").astype(np.int64)
    return (pairs * (2 * size + 1) // 65536 - size).astype(np.int32)


def _bytes(name: str, count: int) -> NDArray[np.uint8]:
    return np.frombuffer(hashlib.shake_256(f"driftline spiking {name}".encode()).digest(count), np.uint8).copy()
