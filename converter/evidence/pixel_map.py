"""What no camera setting describes: a gain, an offset and a noise of its own for every pixel.

Fitted after the best setting, from the class means of labelled samples and of training pictures taken with that
setting. A logo on the lens, dead columns, a checkerboard of inverted pixels are all such maps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from converter.corruptions import Images
from converter.evidence.pose import class_means


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelMap:
    """picture * gain + offset + noise * N(0, 1), each (h, w, c)."""

    gain: NDArray[np.float32]
    offset: NDArray[np.float32]
    noise: NDArray[np.float32]

    def apply(self, images: Images, rng: np.random.Generator) -> Images:
        """Pictures (n, h, w, c) seen through the map, clipped to 0..1."""
        grain = self.noise * rng.standard_normal(images.shape, np.float32)
        return np.clip(images * self.gain + self.offset + grain, 0, 1).astype(np.float32)


def fit_pixel_map(
    given: Images, given_labels: NDArray[np.int64], samples: Images, sample_labels: NDArray[np.int64]
) -> PixelMap:
    """Regress the samples' class means on those of ``given``, pixel by pixel.

    The slope is pulled towards the slope of all pixels together as strongly as the class means are uncertain, so that a
    pixel that never varies keeps a sensible gain.
    """
    classes = np.intersect1d(given_labels, sample_labels)
    chosen = np.isin(sample_labels, classes)
    samples, sample_labels = samples[chosen], sample_labels[chosen]
    weights = np.array([(sample_labels == one).mean() for one in classes], np.float32)[:, None, None, None]
    x, y = class_means(given, given_labels, classes), class_means(samples, sample_labels, classes)
    within = _within(samples, y, sample_labels, classes)
    mean_x, mean_y = (weights * x).sum(axis=0), (weights * y).sum(axis=0)
    product = (weights * (x - mean_x) * (y - mean_y)).sum(axis=0)
    variance = (weights * (x - mean_x) ** 2).sum(axis=0)
    overall = product.sum() / max(float(variance.sum()), 1e-9)
    ridge = within * len(classes) / len(samples) + 1e-5
    gain = (product + ridge * overall) / (variance + ridge)
    noise = within - gain**2 * _within(given, x, given_labels, classes)
    return PixelMap(
        gain=gain.astype(np.float32),
        offset=(mean_y - gain * mean_x).astype(np.float32),
        noise=np.sqrt(np.maximum(noise, 0)).astype(np.float32),
    )


def _within(
    images: Images, means: Images, labels: NDArray[np.int64], classes: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Variance of each pixel about its class mean."""
    chosen = np.isin(labels, classes)
    index = np.searchsorted(classes, labels[chosen])
    return np.asarray(((images[chosen] - means[index]) ** 2).mean(axis=0))
