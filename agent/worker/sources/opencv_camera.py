"""OpenCV's VideoCapture: cameras behind V4L2 (USB), streams and video files. The only module that knows ``cv2``."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from agent.config import CameraSource
from agent.worker.errors import SourceError
from edge_models.tensors import TensorSpec

MISSING = "needs OpenCV; install it with pip install 'driftline[opencv]'"


class OpenCvCamera:
    """One camera.

    Args:
        config: Which.
        spec: A frame as the model's source delivers it; a picture of another size is scaled to it.

    Raises:
        SourceError: OpenCV is missing, or the camera cannot be opened.
    """

    def __init__(self, config: CameraSource, spec: TensorSpec) -> None:
        self._cv2 = _cv2()
        self._spec = spec
        self._name = f"camera {config.device}"
        number = int(config.device) if config.device.isdecimal() else None
        self.is_live = number is not None or config.device.startswith("/dev/")
        with_v4l2 = self._cv2.CAP_V4L2 if self.is_live else self._cv2.CAP_ANY
        try:
            self._capture = self._cv2.VideoCapture(config.device if number is None else number, with_v4l2)
        except self._cv2.error as exc:
            raise SourceError(f"{self._name}: cannot be opened ({_line(exc)})") from exc
        if not self._capture.isOpened():
            raise SourceError(
                f"{self._name}: cannot be opened; expected a camera that v4l2-ctl --list-devices shows, that no other "
                "program holds, and a user in the group video"
            )
        sizes = {self._cv2.CAP_PROP_FRAME_WIDTH: config.width, self._cv2.CAP_PROP_FRAME_HEIGHT: config.height}
        for what, pixels in sizes.items():
            if pixels is not None:
                self._capture.set(what, pixels)

    def grab(self) -> bool:
        """Wait for the next picture."""
        try:
            if self._capture.grab():
                return True
        except self._cv2.error as exc:
            raise SourceError(f"{self._name}: delivers no more pictures ({_line(exc)})") from exc
        raise SourceError(f"{self._name}: delivers no more pictures, expected one after the other")

    def frame(self) -> NDArray[Any]:
        """The picture, grey or RGB as the model wants it."""
        cv2, shape = self._cv2, self._spec.shape
        try:
            is_there, picture = self._capture.retrieve()
            if not is_there:
                raise SourceError(f"{self._name}: a picture cannot be unpacked, expected a format that OpenCV knows")
            if picture.ndim == 3:
                is_grey = len(shape) == 2 or shape[-1] == 1
                picture = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY if is_grey else cv2.COLOR_BGR2RGB)
            if picture.shape[:2] != shape[:2]:
                picture = cv2.resize(picture, (shape[1], shape[0]), interpolation=cv2.INTER_AREA)
        except cv2.error as exc:
            raise SourceError(f"{self._name}: a picture cannot be used ({_line(exc)})") from exc
        return picture.reshape(shape).astype(self._spec.dtype)  # type: ignore[no-any-return]

    def close(self) -> None:
        """Give the camera back."""
        self._capture.release()


def _cv2() -> Any:  # noqa: ANN401 - the module, which the lean environment does not have
    try:
        import cv2
    except ImportError as exc:
        raise SourceError(f"a camera through V4L2 {MISSING} ({exc})") from exc
    return cv2


def _line(exc: Exception) -> str:
    return " ".join(str(exc).split())[:200]
