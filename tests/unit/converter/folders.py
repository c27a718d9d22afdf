"""Small folders of pictures, clips and tables on disk."""

from __future__ import annotations

import io
import wave
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def folder(root: Path, files: Mapping[str, bytes]) -> Path:
    """A folder of these files; a name with a slash at its end is an empty folder."""
    for name, data in files.items():
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            place.mkdir(exist_ok=True)
        else:
            place.write_bytes(data)
    return root


def archive(path: Path, files: Mapping[str, bytes]) -> Path:
    """A zip archive of these files."""
    with zipfile.ZipFile(path, "w") as opened:
        for name, data in files.items():
            opened.writestr(name, data)
    return path


def picture(pixels: NDArray[Any], form: str = "PNG") -> bytes:
    """A picture (h, w) or (h, w, 3) as a file."""
    out = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(out, form)
    return out.getvalue()


def clip(samples: NDArray[Any], *, rate_hz: int = 8000, width: int = 2) -> bytes:
    """Samples (n,) or (n, channels) in -1..1 as a PCM file of so many bytes a sample."""
    values = np.asarray(samples, np.float64)
    flat = values[:, None] if values.ndim == 1 else values
    if width == 1:
        codes = np.clip(np.round(flat * 127 + 128), 0, 255).astype(np.uint8).tobytes()
    else:
        top = 2 ** (8 * width - 1) - 1
        wide = np.round(flat * top).astype("<i8")
        codes = b"".join(int(v).to_bytes(width, "little", signed=True) for v in wide.reshape(-1))
    out = io.BytesIO()
    with wave.open(out, "wb") as opened:
        opened.setnchannels(flat.shape[1])
        opened.setsampwidth(width)
        opened.setframerate(rate_hz)
        opened.writeframes(codes)
    return out.getvalue()


def tone(samples: int = 400, *, hz: float = 440.0, rate_hz: int = 8000) -> NDArray[np.float64]:
    """A sine of half the full scale."""
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(samples) / rate_hz)
