"""How much a batch of corrupted training pictures looks like what a device sees.

Compared are, with labelled samples, the mean picture of each class, the spread of each pixel, the drift signals and the
mean spectrum; with a sketch, the histograms that the device itself counted. Each part is divided by its value for
uncorrupted pictures, so 1 means "no more alike than the training data" and 0 "cannot be told apart".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from converter.corruptions import NEUTRAL, Corruption, Images, corrupt, settings
from converter.evidence.pose import class_means
from edge_models.profile import Profile
from edge_models.sketch import Sketch

Signals = Callable[[Images], NDArray[np.float64]]
"""The input signals (n, k) of pictures in 0..1, in the order of the profile's."""

_MOST, _FEWEST = 120, 40
_PIXELS = _MOST * 28 * 28  # a candidate costs 5 ms then, and 300 are tried for each device
_LEVELS = np.linspace(0.03, 0.97, 16)
_WEIGHTS = {"means": 2.0, "spread": 0.7, "signals": 1.0, "spectrum": 0.7, "sketch": 1.0}
_MAX_GAP = 3.0  # standard deviations that one signal may contribute
_TINY = 1e-4
_PRICE = 0.01  # of one more kind of corruption: the simpler explanation wins
_KINDS = (
    *("rotation_deg", "zoom", "shear", "shift_x", "shift_y", "mirror", "blur_px", "motion_px", "block_px"),
    *("gamma", "black", "white", "slope_x", "slope_y", "stripes", "cover", "noise", "specks"),
)
_SEED = 5  # of the noise in candidates: the same for all, so that they differ by their settings only


def enough_pictures(images: Images) -> int:
    """How many pictures of this size a candidate is judged by: 120 of 28 x 28, fewer of larger ones."""
    height, width = images.shape[1:3]
    return max(_FEWEST, min(_MOST, _PIXELS // int(height * width)))


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenStatistics:
    """What is compared of a batch of labelled pictures."""

    means: Images
    spread: NDArray[np.float32]
    signals: NDArray[np.float64]
    spectrum: NDArray[np.float64]


class Likeness:
    """Scores corrupted pictures against one device's evidence.

    Args:
        clean: Training pictures to corrupt, (n, h, w, c); with samples, of the samples' classes in the same order.
        labels: Their classes.
        signals: Takes the input signals of pictures.
        samples: The device's pictures with the same labels, or None.
        sketch: What the device counted, with the profile whose bins these are, or None.
    """

    def __init__(
        self,
        *,
        clean: Images,
        labels: NDArray[np.int64],
        signals: Signals,
        samples: Images | None,
        sketch: tuple[Sketch, Profile] | None,
    ) -> None:
        """Measure the uncorrupted pictures, which are the unit of every part."""
        self.clean, self.labels = clean, labels
        self._signals = signals
        self._classes = np.unique(labels)
        self._seen = None if samples is None else self._statistics(samples, labels)
        self._sketch = sketch
        parts = self._parts(clean)
        self._unit = {name: max(value, _TINY) for name, value in parts.items()}
        total = sum(_WEIGHTS[name] for name in parts)
        self._weights = {name: _WEIGHTS[name] / total for name in parts}

    def of(self, corruption: Corruption) -> float:
        """Distance of the clean pictures taken with ``corruption``, plus a price for its complexity."""
        rng = np.random.default_rng(_SEED)
        price = sum(1 for name in _KINDS if getattr(corruption, name) != getattr(NEUTRAL, name))
        return self.of_pictures(corrupt(self.clean, settings(corruption, len(self.clean)), rng)) + _PRICE * price

    def of_pictures(self, pictures: Images) -> float:
        """Distance of pictures that were made of the clean ones in their order."""
        parts = self._parts(pictures)
        return sum(self._weights[name] * value / self._unit[name] for name, value in parts.items())

    def fitted_light(self, corruption: Corruption) -> dict[str, float]:
        """Levels and noise that bring pictures taken with ``corruption`` closest to the samples, in closed form."""
        if self._seen is None:
            return {}
        rng = np.random.default_rng(_SEED)
        given = self._statistics(corrupt(self.clean, settings(corruption, len(self.clean)), rng), self.labels)
        x, y = given.means.reshape(-1), self._seen.means.reshape(-1)
        gain = float(np.cov(x, y, bias=True)[0, 1] / max(float(x.var()), 1e-9))
        offset = float(y.mean() - gain * x.mean())
        variance = float((self._seen.spread**2).mean() - gain**2 * (given.spread**2).mean())
        noise = float(np.sqrt(max(variance + corruption.noise**2 * gain**2, 0.0)))
        black, white = corruption.black * gain + offset, corruption.white * gain + offset
        return {"black": black, "white": white, "noise": noise if noise > 0.01 else 0.0}

    def _statistics(self, images: Images, labels: NDArray[np.int64]) -> SeenStatistics:
        grey = images.mean(axis=3)
        spectrum = np.abs(np.fft.rfft2(grey - grey.mean(axis=(1, 2), keepdims=True))).mean(axis=0)
        return SeenStatistics(
            means=class_means(images, labels, self._classes),
            spread=images.std(axis=0),
            signals=np.quantile(self._signals(images), _LEVELS, axis=0),
            spectrum=np.log(spectrum + 0.05),
        )

    def _parts(self, images: Images) -> dict[str, float]:
        parts = {}
        if self._seen is not None:
            given, seen = self._statistics(images, self.labels), self._seen
            scale = np.maximum(seen.signals.std(axis=0) + given.signals.std(axis=0), 1e-3)
            parts["means"] = float(((given.means - seen.means) ** 2).mean())
            parts["spread"] = float(((given.spread - seen.spread) ** 2).mean())
            parts["signals"] = float(np.minimum(np.abs(given.signals - seen.signals) / scale, _MAX_GAP).mean())
            parts["spectrum"] = float(((given.spectrum - seen.spectrum) ** 2).mean())
        if self._sketch is not None:
            parts["sketch"] = histogram_distance(self._signals(images), *self._sketch)
        return parts


def histogram_distance(values: NDArray[np.float64], sketch: Sketch, profile: Profile) -> float:
    """Mean area between the cumulative histograms of input signals (n, k), which come first in a profile."""
    count, inputs = values.shape
    others = np.tile(profile.mean[inputs:].astype(np.float64), (count, 1))  # of answers and embedding
    histogram = profile.histogram(np.concatenate([values, others], axis=1))
    given = np.cumsum(histogram[:inputs], axis=1) / count
    seen = np.cumsum(sketch.counts[:inputs], axis=1) / max(sketch.n, 1)
    return float(np.abs(given - seen).mean())
