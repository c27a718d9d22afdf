"""Recorded frames in an .npz: what ``driftline-agent replay`` and the ``replay`` source read.

x         (n, ...)  frames as a source delivers them, before preprocessing
y         (n,)      optional true classes, integers; a negative one means unknown
t         (n,)      optional seconds at which the frames were taken
rate_hz   ()        optional frames in a second; of audio samples in a second, as the model's own
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.worker.errors import SourceError
from edge_models.errors import ArchiveError, InputError
from edge_models.manifest import InputSpec
from edge_models.npz import read_npz
from edge_models.preprocess import as_delivered
from edge_models.steps import MelSpectrogram

MAX_RECORDING_BYTES = 1 << 30  # of arrays; a Pi that has less than this free should be given a smaller file


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Frames with what was recorded beside them; lengths agree.

    Attributes:
        x: Frames as they were recorded, (n, ...).
        spec: What they are for.
        y: True class of each frame, negative where it is unknown.
        t: Seconds at which each frame was taken.
        rate_hz: Frames in a second.
    """

    x: NDArray[Any]
    spec: InputSpec
    y: NDArray[np.int64] | None = None
    t: NDArray[np.float64] | None = None
    rate_hz: float | None = None

    def __len__(self) -> int:
        return len(self.x)

    def frame(self, index: int) -> NDArray[Any]:
        """A frame as the source would deliver it; as it was recorded, for the model to refuse, if it cannot be that."""
        try:
            return np.asarray(as_delivered(self.x[index : index + 1], self.spec)[0])
        except InputError:
            return np.asarray(self.x[index])

    def label(self, index: int) -> int | None:
        """True class of a frame, if it is known."""
        return None if self.y is None or self.y[index] < 0 else int(self.y[index])


def load_recording(path: Path, spec: InputSpec) -> Recording:
    """Read a recording of what a source of ``spec`` delivers.

    Raises:
        SourceError: The file is missing, no .npz, its arrays do not fit together, or the model cannot take its frames.
    """
    try:
        arrays = read_npz(path, max_bytes=MAX_RECORDING_BYTES)
    except ArchiveError as exc:
        raise SourceError(f"{exc}; expected an .npz with frames x and, if known, y, t and rate_hz") from exc
    x = arrays.get("x")
    if x is None:
        raise SourceError(f"{path}: found arrays {', '.join(sorted(arrays)) or 'none'}, expected x (and y, t, rate_hz)")
    if x.ndim < 1 or len(x) == 0:
        raise SourceError(f"{path}: found x of shape {x.shape}, expected at least one frame: (n, ...)")
    _check_some_fit(x, spec, path)
    return Recording(
        x=x,
        spec=spec,
        y=_labels(arrays.get("y"), len(x), path),
        t=_times(arrays.get("t"), len(x), path),
        rate_hz=_frame_rate(_rate(arrays.get("rate_hz"), path), spec, path),
    )


def _check_some_fit(x: NDArray[Any], spec: InputSpec, path: Path) -> None:
    """Refuse a recording of which no model input can be made; single frames that do not fit are counted later."""
    problem: InputError | None = None
    for index in range(len(x)):
        try:
            as_delivered(x[index : index + 1], spec)
        except InputError as exc:
            problem = problem or exc
        else:
            return
    raise SourceError(f"{path}: {problem}")


def _labels(y: NDArray[Any] | None, n: int, path: Path) -> NDArray[np.int64] | None:
    if y is None:
        return None
    if y.shape != (n,) or y.dtype.kind not in "iub":
        raise SourceError(
            f"{path}: found y of shape {y.shape} and {y.dtype}, expected {n} integers, one for each frame"
        )
    return y.astype(np.int64)


def _times(t: NDArray[Any] | None, n: int, path: Path) -> NDArray[np.float64] | None:
    if t is None:
        return None
    if t.shape != (n,) or not np.isfinite(t).all():
        raise SourceError(f"{path}: found t of shape {t.shape}, expected {n} finite numbers, one for each frame")
    return t.astype(np.float64)


def _frame_rate(rate_hz: float | None, spec: InputSpec, path: Path) -> float | None:
    """Frames in a second: what the recording says, but for audio, where it says samples in a second."""
    if spec.kind != "audio":
        return rate_hz
    wanted_hz = samples_hz(spec)
    if rate_hz is not None and wanted_hz is not None and not math.isclose(rate_hz, wanted_hz, rel_tol=1e-6):
        raise SourceError(
            f"{path}: found rate_hz {rate_hz:g}, expected {wanted_hz:g} samples in a second as the model's source "
            "delivers them; resample the recording"
        )
    found_hz = rate_hz or wanted_hz
    return None if found_hz is None else found_hz / math.prod(spec.source.shape)


def samples_hz(spec: InputSpec) -> float | None:
    """Audio samples in a second as the model's source delivers them; None where the model does not say."""
    return spec.rate_hz or next((step.rate_hz for step in spec.preprocess if isinstance(step, MelSpectrogram)), None)


def _rate(rate: NDArray[Any] | None, path: Path) -> float | None:
    if rate is None:
        return None
    value = float(rate.reshape(-1)[0]) if rate.size == 1 else math.nan
    if not (math.isfinite(value) and value > 0):
        raise SourceError(f"{path}: found rate_hz {rate}, expected one number above 0")
    return value
