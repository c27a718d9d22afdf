"""Cameras on a Raspberry Pi's ribbon cable, through picamera2 (libcamera). The only module that knows it.

The camera's own processor scales: a picture comes in the size that the model's source has.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.config import CameraSource
from agent.worker.errors import SourceError
from edge_models.tensors import TensorSpec

MISSING = "needs picamera2; install it with apt install python3-picamera2, or pip install 'driftline[picamera2]'"
BUFFERS = 4  # pictures that libcamera holds; with fewer it drops some while one is unpacked
_FOREIGN = (RuntimeError, IndexError, OSError, ValueError, KeyError)  # what picamera2 and libcamera raise


class PiCamera:
    """One camera.

    Args:
        config: Which; width and height choose the sensor's mode.
        spec: A frame as the model's source delivers it.

    Raises:
        SourceError: picamera2 is missing, or the camera cannot be opened.
    """

    is_live = True

    def __init__(self, config: CameraSource, spec: TensorSpec) -> None:
        self._name = f"camera {config.device}"
        self._spec = spec
        self._is_grey = len(spec.shape) == 2 or spec.shape[-1] == 1
        self._request: Any = None
        picamera2 = _picamera2()
        if not config.device.isdecimal():
            raise SourceError(
                f"{self._name}: found a path, expected the number of a camera, as driver: picamera2 needs"
            )
        size = (spec.shape[1], spec.shape[0])
        # libcamera names formats by the order in a word: its BGR888 is an array of red, green, blue.
        main = {"size": size, "format": "YUV420" if self._is_grey else "BGR888"}
        raw = {"raw": {"size": (config.width, config.height)}} if config.width and config.height else {}
        self._camera: Any = None
        try:
            self._camera = picamera2.Picamera2(int(config.device))
            video = self._camera.create_video_configuration(main=main, buffer_count=BUFFERS, **raw)
            self._camera.configure(video)
            self._camera.start()
        except _FOREIGN as exc:
            self.close()
            raise SourceError(
                f"{self._name}: cannot be opened ({exc}); expected one that rpicam-hello --list-cameras shows "
                f"and that can deliver {size[0]} x {size[1]}"
            ) from exc

    def grab(self) -> bool:
        """Wait for the next picture."""
        self._release()
        try:
            self._request = self._camera.capture_request()
        except _FOREIGN as exc:
            raise SourceError(f"{self._name}: delivers no more pictures ({exc})") from exc
        return True

    def frame(self) -> NDArray[Any]:
        """The picture, grey (its luminance) or RGB as the model wants it."""
        try:
            picture = np.asarray(self._request.make_array("main"))
        except _FOREIGN as exc:
            raise SourceError(f"{self._name}: a picture cannot be used ({exc})") from exc
        height, width = self._spec.shape[:2]
        picture = picture[:height, :width]  # the rows below the luminance, and padding
        if picture.size != np.prod(self._spec.shape):
            raise SourceError(
                f"{self._name}: found a picture of shape {picture.shape}, expected {self._spec.shape}; build the "
                "bundle with a resize step for a size that the camera delivers"
            )
        return picture.reshape(self._spec.shape).astype(self._spec.dtype)

    def close(self) -> None:
        """Give the camera back."""
        self._release()
        if self._camera is not None:
            self._camera.close()
            self._camera = None

    def _release(self) -> None:
        if self._request is not None:
            self._request.release()
            self._request = None


def _picamera2() -> Any:  # noqa: ANN401 - the module, which only a Pi has
    try:
        import picamera2
    except ImportError as exc:
        raise SourceError(f"a Raspberry Pi's camera {MISSING} ({exc})") from exc
    return picamera2
