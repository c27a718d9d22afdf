"""Windows of sound from a microphone, through PortAudio. The only module that knows ``sounddevice``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.worker.errors import SourceError
from edge_models.tensors import TensorSpec

MISSING = "needs sounddevice and PortAudio; pip install 'driftline[sounddevice]', apt install libportaudio2"


class Microphone:
    """One input channel, as overlapping or adjoining windows.

    Args:
        device: Number or part of a name; None for the default one.
        spec: One window.
        samples_hz: Samples in a second.
        hop: Samples from one window to the next.

    Raises:
        SourceError: sounddevice or PortAudio is missing, or the device cannot be opened.
    """

    is_live = True

    def __init__(self, device: str | None, spec: TensorSpec, *, samples_hz: float, hop: int) -> None:
        self._name = "microphone" if device is None else f"microphone {device}"
        self._shape = spec.shape
        self._hop = hop
        self._window = np.zeros(math.prod(spec.shape), spec.dtype)
        self._filled = 0
        self._sounddevice = _sounddevice()
        number = int(device) if device is not None and device.isdecimal() else None
        self._stream: Any = None
        try:
            self._stream = self._sounddevice.InputStream(
                samplerate=samples_hz,
                device=device if number is None else number,
                channels=1,
                dtype=spec.dtype,
                latency="high",
            )
            self._stream.start()
        except (self._sounddevice.PortAudioError, ValueError, OSError) as exc:
            if self._stream is not None:
                self._stream.close()
            raise SourceError(
                f"{self._name}: cannot be opened ({exc}); expected one that python -m sounddevice lists, and "
                f"{samples_hz:g} samples in a second"
            ) from exc

    def grab(self) -> bool:
        """Wait for the next hop."""
        try:
            samples, overflowed = self._stream.read(self._hop)
        except (self._sounddevice.PortAudioError, OSError) as exc:
            raise SourceError(f"{self._name}: delivers no more sound ({exc})") from exc
        if overflowed:  # something is missing before these, and no window may hold the gap
            self._filled = 0
        new = np.ravel(samples)[-len(self._window) :]
        self._window = np.concatenate([self._window[len(new) :], new])
        self._filled = min(self._filled + self._hop, len(self._window))
        return self._filled == len(self._window)

    def frame(self) -> NDArray[Any]:
        """The last samples, as many as the model takes."""
        return self._window.reshape(self._shape).copy()

    def close(self) -> None:
        """Give the device back."""
        try:
            self._stream.close()
        except self._sounddevice.PortAudioError as exc:
            raise SourceError(f"{self._name}: cannot be closed ({exc})") from exc


def _sounddevice() -> Any:  # noqa: ANN401 - the module, which the lean environment does not have
    try:
        import sounddevice
    except (ImportError, OSError) as exc:  # OSError: sounddevice is there, PortAudio is not
        raise SourceError(f"a microphone {MISSING} ({exc})") from exc
    return sounddevice
