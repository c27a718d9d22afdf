"""Which driver a camera has, and what its pictures have to be; the drivers are adapters next door."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Literal

from agent.config import CameraSource
from agent.worker.errors import SourceError
from agent.worker.sources.capture import Capture, Device
from edge_models.manifest import InputSpec


def driver_of(config: CameraSource) -> Literal["picamera2", "opencv"]:
    """The driver to take: the one asked for, or the one that is there."""
    if config.driver != "auto":
        return config.driver
    is_numbered = config.device.isdecimal()
    return "picamera2" if is_numbered and find_spec("picamera2") is not None else "opencv"


def open_camera(config: CameraSource, spec: InputSpec, *, position: int, now_s: Callable[[], float]) -> Capture:
    """The newest picture of a camera.

    Raises:
        SourceError: The model does not take pictures.
    """
    source = spec.source
    if spec.kind != "image" or source.dtype in ("int8", "bool"):
        raise SourceError(
            f"camera {config.device}: for a model of {spec.kind} of {source.dtype}, expected one of images "
            "whose source has numbers from 0 to 255"
        )
    if len(source.shape) not in (2, 3) or (len(source.shape) == 3 and source.shape[-1] not in (1, 3)):
        raise SourceError(
            f"camera {config.device}: for frames of {source.shape}, expected (h, w), (h, w, 1) or (h, w, 3)"
        )

    def open_device() -> Device:
        if driver_of(config) == "picamera2":
            from agent.worker.sources.pi_camera import PiCamera

            return PiCamera(config, source)
        from agent.worker.sources.opencv_camera import OpenCvCamera

        return OpenCvCamera(config, source)

    return Capture(
        f"camera {config.device}",
        open_device,
        rate_hz=config.rate_hz,
        stall_s=config.stall_s,
        waiting=1,
        position=position,
        now_s=now_s,
    )
