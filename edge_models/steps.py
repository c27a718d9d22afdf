"""The steps of preprocessing as a manifest and a recipe name them; ``edge_models.preprocess`` executes them.

No numpy here: the supervisor reads manifests and must stay small.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edge_models.fields import described


@dataclass(frozen=True, slots=True, kw_only=True)
class ResizeStep:
    """Bilinear resize with half-pixel centres and no antialiasing, as tf.image.resize does."""

    op: Literal["resize"] = described("Name of the step.", default="resize")
    height: int = described("Rows of the result.", ge=1, le=4096)
    width: int = described("Columns of the result.", ge=1, le=4096)


@dataclass(frozen=True, slots=True, kw_only=True)
class CropStep:
    """The middle of an image, as tf.image.resize_with_crop_or_pad cuts it."""

    op: Literal["crop"] = described("Name of the step.", default="crop")
    height: int = described("Rows of the result.", ge=1, le=4096)
    width: int = described("Columns of the result.", ge=1, le=4096)


@dataclass(frozen=True, slots=True, kw_only=True)
class GreyscaleStep:
    """Brightness of red, green and blue as one channel, as tf.image.rgb_to_grayscale weighs them."""

    op: Literal["greyscale"] = described("Name of the step.", default="greyscale")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleStep:
    """x * factor + offset."""

    op: Literal["scale"] = described("Name of the step.", default="scale")
    factor: float = described("Multiplier, such as 1/255.")
    offset: float = described("Added after the multiplication.", default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class NormaliseStep:
    """(x - mean) / std on the last axis: channels of an image, columns of a row or window, bins of a spectrogram."""

    op: Literal["normalise", "standardise"] = described("normalise for images, standardise for rows.")
    mean: tuple[float, ...] = described("One value, or one for each channel or column.", max_length=4096)
    std: tuple[float, ...] = described("As mean; each above 0.", max_length=4096)

    def __post_init__(self) -> None:
        """Refuse a division by zero."""
        if len(self.mean) != len(self.std) or not self.mean or min(self.std) <= 0:
            raise ValueError("mean and std of equal length, every std above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class StandardiseEachStep:
    """Mean 0 and deviation 1 for each example by its own numbers, as tf.image.per_image_standardization does."""

    op: Literal["standardise_each"] = described("Name of the step.", default="standardise_each")


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowStep:
    """Collect rows into overlapping windows of shape (length, columns); the only step with a memory."""

    op: Literal["window"] = described("Name of the step.", default="window")
    length: int = described("Rows in a window.", ge=1, le=65536)
    stride: int = described("Rows between the starts of two windows.", ge=1, le=65536)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpectrumStep:
    """log(1 + magnitude of the Fourier transform) of each column over time: (length, columns) to (bins, columns)."""

    op: Literal["spectrum"] = described("Name of the step.", default="spectrum")


@dataclass(frozen=True, slots=True, kw_only=True)
class MelSpectrogram:
    """What the audio steps have in common: short-time Fourier transform and mel filters as in tf.signal."""

    rate_hz: float = described("Samples in a second that the filters are made for.", ge=1, le=1e6)
    frame_length: int = described("Samples in a frame, under a Hann window.", ge=2, le=65536)
    frame_step: int = described("Samples between the starts of two frames.", ge=1, le=65536)
    fft_length: int | None = described(
        "Samples of the transform, filled with zeros; the next power of two when left out.",
        default=None,
        ge=2,
        le=65536,
    )
    mel_bins: int = described("Mel filters.", default=40, ge=1, le=512)
    low_hz: float = described("Lower edge of the first filter.", default=20.0, ge=0)
    high_hz: float = described("Upper edge of the last filter, at most half of rate_hz.", ge=1)
    power: float = described("Exponent of the magnitude: 1, or 2 for the power spectrum.", default=1.0, ge=0.5, le=2)
    log_offset: float = described("Added before the logarithm.", default=1e-6, ge=1e-30, le=1e6)

    def __post_init__(self) -> None:
        """Refuse filters outside of what the samples can hold and a transform that is shorter than a frame."""
        if not self.low_hz < self.high_hz <= self.rate_hz / 2:
            raise ValueError(f"low_hz below high_hz, and that at most half of rate_hz ({self.rate_hz / 2:g})")
        if self.fft_length is not None and self.fft_length < self.frame_length:
            raise ValueError(f"an fft_length of at least frame_length ({self.frame_length})")

    @property
    def transform_length(self) -> int:
        """Samples of the Fourier transform."""
        return self.fft_length or 1 << (self.frame_length - 1).bit_length()

    def frames(self, samples: int) -> int:
        """Number of whole frames in so many samples."""
        return max(0, 1 + (samples - self.frame_length) // self.frame_step)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogMelStep(MelSpectrogram):
    """Log-mel spectrogram of samples: (frames, mel_bins), as tf.signal.stft and linear_to_mel_weight_matrix give it."""

    op: Literal["log_mel"] = described("Name of the step.", default="log_mel")


@dataclass(frozen=True, slots=True, kw_only=True)
class MfccStep(MelSpectrogram):
    """Mel cepstrum of samples: (frames, coefficients), as tf.signal.mfccs_from_log_mel_spectrograms gives it."""

    op: Literal["mfcc"] = described("Name of the step.", default="mfcc")
    coefficients: int = described("First so many coefficients, at most mel_bins.", default=10, ge=1, le=512)

    def __post_init__(self) -> None:
        """Refuse more coefficients than filters."""
        MelSpectrogram.__post_init__(self)  # dataclasses with slots have no super() without arguments
        if self.coefficients > self.mel_bins:
            raise ValueError(f"at most as many coefficients as mel_bins ({self.mel_bins})")


Step = (
    ResizeStep
    | CropStep
    | GreyscaleStep
    | ScaleStep
    | NormaliseStep
    | StandardiseEachStep
    | WindowStep
    | SpectrumStep
    | LogMelStep
    | MfccStep
)
