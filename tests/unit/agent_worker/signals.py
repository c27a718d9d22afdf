"""Streams of real drift signals: what the fixture bundle's pipeline makes of digit frames, computed at once."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent.worker.drift.registry import Watched
from edge_models.profile import Profile
from edge_models.signals import input_signals_batch
from tests.factories.bundles import INT8, make_bundle
from tests.factories.frames import FULL, Corruption, digit_frames


def input_signal_stream(n: int, *, seed: int, corruption: Corruption | None = None) -> NDArray[np.float64]:
    """Input signals (n, 9) of jittered digits."""
    frames, _ = digit_frames(n, seed=seed, corruption=corruption)
    return input_signals_batch("image", (frames[..., None] / FULL).astype(np.float32))


def watched_inputs(directory: Path) -> Watched:
    """The input signals of the fixture's profile."""
    names, edges = _profile(directory)
    return Watched(signals=names[:9], edges=dict(zip(names[:9], edges[:9], strict=True)))


@functools.cache
def _profile(directory: Path) -> tuple[tuple[str, ...], list[list[float]]]:
    bundle = make_bundle(directory)
    profile = Profile.from_npz(bundle.read(bundle.manifest.artifacts[INT8].profile or ""))
    return profile.signals, profile.edges.tolist()
