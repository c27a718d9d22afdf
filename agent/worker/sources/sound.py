"""What a microphone's windows have to be; PortAudio is an adapter next door."""

from __future__ import annotations

import math
from collections.abc import Callable

from agent.config import MicrophoneSource
from agent.worker.errors import SourceError
from agent.worker.sources.capture import Capture, Device
from agent.worker.sources.recording import samples_hz
from edge_models.manifest import InputSpec

WAITING_WINDOWS = 8  # while the model works on one; beyond that the oldest go
DTYPES = ("float32", "int16")


def hop_of(config: MicrophoneSource, spec: InputSpec) -> int:
    """Samples from one window to the next."""
    return config.hop or math.prod(spec.source.shape)


def windows_hz(config: MicrophoneSource, spec: InputSpec) -> float:
    """Windows in a second.

    Raises:
        SourceError: The model does not take sound.
    """
    rate_hz = samples_hz(spec)
    if spec.kind != "audio" or rate_hz is None or spec.source.dtype not in DTYPES:
        raise SourceError(
            f"a microphone for a model of {spec.kind} of {spec.source.dtype}, expected one of audio with rate_hz, of "
            f"{' or '.join(DTYPES)}"
        )
    return rate_hz / hop_of(config, spec)


def asked_hz(config: MicrophoneSource, spec: InputSpec) -> float:
    """How often to ask for a window, also where the model takes no sound and opening will fail."""
    return (samples_hz(spec) or 1.0) / hop_of(config, spec)


def open_microphone(config: MicrophoneSource, spec: InputSpec, *, position: int, now_s: Callable[[], float]) -> Capture:
    """Windows of sound as they come.

    Raises:
        SourceError: The model does not take sound.
    """
    rate_hz = windows_hz(config, spec)

    def open_device() -> Device:
        from agent.worker.sources.microphone import Microphone

        return Microphone(
            config.device, spec.source, samples_hz=rate_hz * hop_of(config, spec), hop=hop_of(config, spec)
        )

    return Capture(
        "microphone" if config.device is None else f"microphone {config.device}",
        open_device,
        rate_hz=rate_hz,
        stall_s=config.stall_s,
        waiting=WAITING_WINDOWS,
        position=position,
        now_s=now_s,
    )
