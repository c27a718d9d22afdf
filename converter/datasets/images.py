"""``images:`` pictures in a folder or a zip archive of it, decoded by Pillow."""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.datasets.places import Place
from converter.datasets.tree import Tree
from converter.errors import DatasetError
from converter.progress import Progress

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
MAX_PIXEL_BYTES = 8 << 30  # of all pictures together
_GREY = ("1", "L", "LA")
_CHUNK = 500  # pictures between two looks at the progress
_EXIF_ORIENTATION = 0x0112


def load_images(
    tree: Tree, places: Sequence[Place], size: tuple[int, int] | None, progress: Progress
) -> NDArray[np.uint8]:
    """Pictures (n, h, w) uint8 when all are grey, (n, h, w, 3) otherwise.

    Args:
        tree: The files.
        places: Which of them.
        size: Height and width that each is resized to; None where all have one size.
        progress: Told now and then.

    Raises:
        DatasetError: A file is no picture, or two have different sizes.
    """
    pictures: list[NDArray[np.uint8]] = []
    with _bombs_refused(), ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:  # decoding leaves Python's lock
        for start in range(0, len(places), _CHUNK):
            names = [place.name for place in places[start : start + _CHUNK]]
            pictures += pool.map(lambda name: _decoded(tree, name, size), names)
            _check_room(tree, pictures[0], len(places))
            progress.step("data", len(pictures), len(places), "pictures")
    for place, picture in zip(places, pictures, strict=True):
        if picture.shape[:2] != pictures[0].shape[:2]:
            raise DatasetError(
                f"{tree.where}: found {places[0].name} of {_measures(pictures[0])} and {place.name} of "
                f"{_measures(picture)} pixels, expected one size; resize them with dataset.size: [height, width]"
            )
    if len({picture.ndim for picture in pictures}) > 1:
        pictures = [np.repeat(p[..., None], 3, axis=2) if p.ndim == 2 else p for p in pictures]
    return np.stack(pictures)


def _check_room(tree: Tree, picture: NDArray[np.uint8], count: int) -> None:
    if picture.size * count > MAX_PIXEL_BYTES:
        raise DatasetError(
            f"{tree.where}: found {count} pictures of {_measures(picture)} pixels, together more than "
            f"{MAX_PIXEL_BYTES >> 30} GB, expected less; resize them with dataset.size: [height, width]"
        )


@contextlib.contextmanager
def _bombs_refused() -> Iterator[None]:
    """A picture that is far larger than any camera's is an error for Pillow from here on, not a warning."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def _decoded(tree: Tree, name: str, size: tuple[int, int] | None) -> NDArray[np.uint8]:
    from PIL import Image, ImageOps, UnidentifiedImageError

    bombs = (Image.DecompressionBombError, Image.DecompressionBombWarning)
    data = tree.bytes_of(name)
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "BMP")) as opened:
            picture: Any = opened
            if picture.mode.startswith(("I", "F")):
                raise DatasetError(
                    f"{tree.where}/{name}: found {picture.mode} pixels, expected 8 bits for each channel; save it so"
                )
            picture.load()
            if "exif" in picture.info and picture.getexif().get(_EXIF_ORIENTATION, 1) != 1:
                picture = ImageOps.exif_transpose(picture)
            wanted = "L" if picture.mode in _GREY else "RGB"
            if picture.mode != wanted:
                picture = picture.convert(wanted)
            if size is not None and picture.size != size[::-1]:
                picture = picture.resize(size[::-1], Image.Resampling.BILINEAR)
            return np.asarray(picture, np.uint8)
    except (*bombs, UnidentifiedImageError, OSError, SyntaxError, ValueError) as exc:
        reason = "no picture" if isinstance(exc, UnidentifiedImageError) else str(exc)
        raise DatasetError(
            f"{tree.where}/{name}: cannot be decoded ({reason}), expected a PNG, JPEG or BMP picture; "
            "mend or remove the file"
        ) from exc


def _measures(picture: NDArray[np.uint8]) -> str:
    return f"{picture.shape[0]} x {picture.shape[1]}"
