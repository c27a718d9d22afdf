"""``wav:`` clips in a folder or a zip archive of it: one channel, one rate, one length."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.datasets.places import Place
from converter.datasets.tree import Tree
from converter.errors import DatasetError
from converter.progress import Progress

SUFFIXES = (".wav",)
MAX_SAMPLES = 1 << 31  # of all clips together: 8 GB of float32
_EVERY = 100  # clips between two looks at the progress
_FULL_SCALE = {"u1": 1 << 7, "i2": 1 << 15, "i4": 1 << 31}  # scipy shifts 24 bits to the top of 32

Clip = NDArray[np.float32]


def load_clips(
    tree: Tree, places: Sequence[Place], rate_hz: float | None, seconds: float | None, progress: Progress
) -> tuple[NDArray[np.float32], float]:
    """Clips (n, samples) float32 in -1..1, and samples in a second.

    Args:
        tree: The files.
        places: Which of them.
        rate_hz: Rate that they are resampled to; None where all have one.
        seconds: Length that each is cut or filled to, see ``fitted``; that of the longest when None.
        progress: Told now and then.

    Raises:
        DatasetError: A file is no WAV file, ends early or is empty, or two have different rates.
    """
    clips: list[Clip] = []
    first: float | None = None
    for number, place in enumerate(places, start=1):
        found_hz, clip = _read(tree, place.name)
        if rate_hz is None and first not in (None, found_hz):
            raise DatasetError(
                f"{tree.where}: found {places[0].name} with {first:g} and {place.name} with {found_hz:g} samples in a "
                "second, expected one rate; resample them with dataset.rate_hz"
            )
        first = found_hz
        clip = clip if rate_hz is None else resampled(clip, found_hz, rate_hz)
        clips.append(clip if seconds is None else fitted(clip, max(1, round(seconds * (rate_hz or found_hz)))))
        if number % _EVERY == 0 or number == len(places):
            progress.step("data", number, len(places), "clips")
    rate = rate_hz or first or 1.0
    longest = max(len(clip) for clip in clips)
    if longest * len(clips) > MAX_SAMPLES:
        raise DatasetError(
            f"{tree.where}: found {len(clips)} clips of up to {longest / rate:g} s, expected shorter ones; "
            "cut them with dataset.seconds"
        )
    return np.stack([fitted(clip, longest) for clip in clips]), rate


def fitted(clip: Clip, samples: int) -> Clip:
    """The loudest stretch of ``samples`` samples, or all of a shorter clip in the middle of silence.

    Examples:
        >>> fitted(np.array([0, 1, 5, 0], np.float32), 2).tolist()
        [1.0, 5.0]
        >>> fitted(np.array([1, 2], np.float32), 4).tolist()
        [0.0, 1.0, 2.0, 0.0]
    """
    spare = len(clip) - samples
    if spare <= 0:
        before = -spare // 2
        return np.pad(clip, (before, -spare - before))
    energy = np.concatenate([[0.0], np.cumsum(np.square(clip, dtype=np.float64))])
    start = int(np.argmax(energy[samples:] - energy[: spare + 1]))
    return clip[start : start + samples]


def resampled(clip: Clip, found_hz: float, wanted_hz: float) -> Clip:
    """The clip at another rate, by a polyphase filter (scipy.signal.resample_poly).

    Args:
        clip: Samples (n,).
        found_hz: Its rate.
        wanted_hz: The rate of the result.
    """
    if found_hz == wanted_hz:
        return clip
    from scipy.signal import resample_poly

    ratio = (Fraction(wanted_hz) / Fraction(found_hz)).limit_denominator(10_000)
    made: NDArray[Any] = resample_poly(clip, ratio.numerator, ratio.denominator)
    return np.asarray(made, np.float32)


def _read(tree: Tree, name: str) -> tuple[float, Clip]:
    """Rate and samples of a file, channels averaged."""
    from scipy.io import wavfile

    data = tree.bytes_of(name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", wavfile.WavFileWarning)  # data that end early are only a warning
            warnings.filterwarnings("ignore", "Chunk .non-data. not understood", wavfile.WavFileWarning)
            rate, samples = wavfile.read(io.BytesIO(data))
    except NameError as exc:  # scipy reads on without the chunk
        raise DatasetError(f"{tree.where}/{name}: a WAV file without samples or their format; copy it anew") from exc
    except (ValueError, wavfile.WavFileWarning, EOFError, OSError, ArithmeticError, TypeError, struct.error) as exc:
        raise DatasetError(
            f"{tree.where}/{name}: not a readable WAV file ({exc}), expected PCM samples; record or export it anew"
        ) from exc
    if not len(samples) or rate <= 0:
        raise DatasetError(f"{tree.where}/{name}: found no samples, expected some; remove the file or record it anew")
    kind = samples.dtype.str[1:]
    real = samples.astype(np.float32)
    if kind in _FULL_SCALE:
        real = real / np.float32(_FULL_SCALE[kind]) - np.float32(kind == "u1")
    if not np.isfinite(real).all():
        raise DatasetError(f"{tree.where}/{name}: found NaN or infinity, expected samples in -1..1; record it anew")
    return float(rate), real if real.ndim == 1 else np.asarray(real.mean(axis=1), np.float32)
