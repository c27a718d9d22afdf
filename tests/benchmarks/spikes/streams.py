"""What a stream costs: delta execution beside the fastest executor for stills and int8 TFLite, on the same frames.

All run as a device runs them, through their engines. Each clip is played several times, by all engines in turns, each
alone for the whole clip, as it would be on a device; a frame's time is the median over the plays, in CPU time, and a
clip's the mean over its frames, so that frames in which much changes count in full.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge_models.bundle import Bundle
from edge_models.engines.port import Engine
from edge_models.engines.registry import open_engine
from edge_models.engines.spiking import SpikingEngine
from edge_models.quantize import quantize
from edge_models.spiking.archive import from_npz
from edge_models.spiking.reference import Reference
from edge_models.spiking.streaming import DELTA_SUFFIX
from tests.benchmarks.harness import Row, Target, Value
from tests.benchmarks.spikes.accuracy import batched_logits
from tests.benchmarks.spikes.clips import Clip, clips
from tests.benchmarks.spikes.nets import COLLAPSED, INT8, SPIKING

PLAYS = 7
COPING = 0.8
"""Where delta cannot win: time of the collapsed graph over the stream's. Trying delta now and then costs a little."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Played:
    """One clip: microseconds of a frame by engine, and what the stream's engine was in the end."""

    clip: Clip
    us: dict[str, float]
    executor: str
    differing: int

    @property
    def best_other(self) -> str:
        return min((name for name in self.us if name != SPIKING), key=lambda name: self.us[name])

    @property
    def factor(self) -> float:
        return self.us[self.best_other] / self.us[SPIKING]


def streamed(bundle: Bundle, pictures: NDArray[np.uint8]) -> Iterator[tuple[Row, list[Target]]]:
    """A line and the targets of each clip.

    Args:
        bundle: With the int8, spiking and collapsed artifacts of one net.
        pictures: uint8 (n, 28, 28) of the test part.
    """
    for clip in clips(pictures):
        played = _played(bundle, clip)
        values: dict[str, Value] = {f"{name} us": round(us, 1) for name, us in played.us.items()}
        values |= {"times faster": round(played.factor, 2), "executor": played.executor}
        yield Row(name=clip.name, values=values), list(_targets(played))


def _targets(played: _Played) -> Iterator[Target]:
    clip = played.clip
    yield Target(name=f"{clip.name}: frames that differ", value=played.differing, op="==", target=0)
    if clip.faster is not None:
        name = f"{clip.name}: stream, times faster than {played.best_other}"
        yield Target(name=name, value=round(played.factor, 2), op=">=", target=clip.faster)
    if clip.is_hopeless:
        factor = round(played.us[COLLAPSED] / played.us[SPIKING], 2)
        yield Target(name=f"{clip.name}: {COLLAPSED} over stream", value=factor, op=">=", target=COPING)
        is_delta = int(played.executor.endswith(DELTA_SUFFIX))
        yield Target(name=f"{clip.name}: still by delta at the end", value=is_delta, op="==", target=0)


def _played(bundle: Bundle, clip: Clip) -> _Played:
    engines = {name: _open(bundle, name, clip) for name in (SPIKING, COLLAPSED, INT8)}
    codes = {name: _codes(engine, clip) for name, engine in engines.items()}
    expected = _expected(bundle, codes[SPIKING], clip)
    times_ns = np.zeros((PLAYS, len(engines), len(clip.frames)), np.int64)
    differing = 0
    for play in range(PLAYS):
        for at, (name, engine) in enumerate(engines.items()):
            for frame, x in enumerate(codes[name]):
                started_ns = time.process_time_ns()
                outputs = engine.run(x)
                times_ns[play, at, frame] = time.process_time_ns() - started_ns
                if name == SPIKING:
                    differing += not np.array_equal(outputs["logits"], expected[play * len(clip.frames) + frame])
    us = np.median(times_ns[1:], axis=0).mean(axis=1) / 1000  # the first play is where the stream's engine learns
    stream = engines[SPIKING]
    executor = stream.executor if isinstance(stream, SpikingEngine) else ""
    for engine in engines.values():
        engine.close()
    return _Played(clip=clip, us=dict(zip(engines, us.tolist(), strict=True)), executor=executor, differing=differing)


def _open(bundle: Bundle, name: str, clip: Clip) -> Engine:
    if name == SPIKING:
        return open_engine(bundle, name, stream=True, hold=clip.hold, clock_ns=time.process_time_ns)
    return open_engine(bundle, name)


def _codes(engine: Engine, clip: Clip) -> NDArray[np.generic]:
    """Codes of all frames, as the worker makes them from pixels."""
    real = (clip.frames.astype(np.float32) / np.float32(255)).reshape(-1, *engine.input.shape)
    return quantize(real, replace(engine.input, shape=real.shape[1:]))


def _expected(bundle: Bundle, codes: NDArray[np.generic], clip: Clip) -> NDArray[np.int32]:
    """Logits of all frames of all plays by full recomputation of what is held: (plays * frames, classes)."""
    network = from_npz(bundle.read(bundle.artifact(SPIKING).file))
    quant = network.input.quant
    x = codes.astype(np.int32).reshape(-1, *network.input_shape) - np.int32(0 if quant is None else quant.zero_point)
    if clip.hold < 2:
        return np.tile(batched_logits(Reference(network), x), (PLAYS, 1))
    return batched_logits(Reference(network), held_frames(np.tile(x, (PLAYS, 1, 1, 1)), clip.hold))


def held_frames(x: NDArray[np.int32], hold: int) -> NDArray[np.int32]:
    """Send-on-delta: each value of (frames, ...) as it was when it last differed by ``hold`` from what was held."""
    held, before = np.empty_like(x), x[0]
    for at, frame in enumerate(x):
        before = np.where(np.abs(frame - before) >= hold, frame, before)
        held[at] = before
    return held
