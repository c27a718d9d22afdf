"""A folder of PNG and JPEG images as recorded frames, in the order of their paths.

Pillow is not part of the extra ``agent``: it is imported when a folder is opened, and its absence is an error that says
what to install. An image in a sub-folder that has the name of a label counts as labelled.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.worker.errors import SourceError
from agent.worker.sources.port import Frame
from edge_models.manifest import InputSpec
from edge_models.tensors import TensorSpec

log = logging.getLogger(__name__)

SUFFIXES = (".png", ".jpg", ".jpeg")
MAX_FILES = 1_000_000
MAX_PIXELS = 4096 * 4096  # as large as a frame may be; a compressed bomb is refused before it is unpacked


class ImageReader:
    """Reads image files as the model's source delivers frames.

    Args:
        where: For messages.
        source: One frame.

    Raises:
        SourceError: Pillow is missing, or the model takes codes that are no pixels.
    """

    def __init__(self, where: Path, source: TensorSpec) -> None:
        self._image = _pillow()
        self._dtype = source.dtype
        if source.dtype in ("int8", "bool"):
            raise SourceError(
                f"{where}: found a folder of images, whose pixels are uint8, for a source of {source.dtype}; record "
                "the frames in an .npz, or build the bundle for a uint8 source"
            )
        self._grey = len(source.shape) == 2 or source.shape[-1] == 1
        self._channel_axis = len(source.shape) == 3

    def read(self, path: Path) -> NDArray[Any]:
        """The pixels, grey or RGB.

        Raises:
            SourceError: It is no image that can be read, or one that is too large.
        """
        try:
            pixels = self._pixels(path)
        except Exception as exc:  # Pillow's own: OSError, SyntaxError, struct.error, a bomb that is an Exception
            raise SourceError(f"{path}: not a readable PNG or JPEG image ({exc})") from exc
        if self._grey and self._channel_axis:
            pixels = pixels[..., np.newaxis]
        return pixels.astype(self._dtype)

    def _pixels(self, path: Path) -> NDArray[Any]:
        with self._image.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"found {image.width} x {image.height} pixels, expected a frame")
            return np.asarray(image.convert("L" if self._grey else "RGB"), np.uint8)


class ImageFolder:
    """The images below a directory; opened one by one as they are asked for.

    Raises:
        SourceError: No image is there, Pillow is missing, the first image does not have the model's size, or the model
            takes codes that are no pixels.
    """

    def __init__(self, directory: Path, spec: InputSpec, labels: tuple[str, ...]) -> None:
        self._reader = ImageReader(directory, spec.source)
        self._paths = _image_paths(directory)
        self._labels = {name: index for index, name in enumerate(labels)}
        self._dtype = spec.source.dtype
        first = self._reader.read(self._paths[0])
        if first.shape != spec.source.shape:
            raise SourceError(
                f"{self._paths[0]}: found an image of shape {first.shape}, expected {spec.source.shape} as the model's "
                "source delivers it; scale the images, or build the bundle with a resize step for this camera"
            )

    def __len__(self) -> int:
        return len(self._paths)

    def frame(self, index: int, position: int) -> Frame:
        """The image at ``index``; an empty frame, which no model takes, where the file cannot be read any more."""
        path = self._paths[index]
        try:
            pixels = self._reader.read(path)
        except SourceError as exc:
            log.warning("source image unreadable: %s", exc)
            pixels = np.empty(0, self._dtype)
        return Frame(x=pixels, position=position, label=self._labels.get(path.parent.name))


def _image_paths(directory: Path) -> list[Path]:
    paths = sorted(path for path in directory.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not paths:
        raise SourceError(f"{directory}: found no image, expected files that end in {', '.join(SUFFIXES)}")
    if len(paths) > MAX_FILES:
        raise SourceError(f"{directory}: found {len(paths)} images, expected at most {MAX_FILES}")
    return paths


def _pillow() -> Any:  # noqa: ANN401 - the module, which the lean environment does not have
    try:
        from PIL import Image
    except ImportError as exc:
        raise SourceError(
            "an image folder needs Pillow, which the agent's extra leaves out; install it with pip install pillow, "
            "or record the frames in an .npz"
        ) from exc
    return Image
