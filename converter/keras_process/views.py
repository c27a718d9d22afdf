"""Random views of a batch in TensorFlow operations: two of one example are what contrastive learning brings together.

Pictures go through the simulated camera of ``converter.corruptions``, the parameters that a moment changes; numpy does
the same for training, but a pre-training makes a hundred times more views. Spectrograms are shifted in time, made
louder or fainter, disturbed, and lose stretches of time and of frequency.
"""
# ruff: noqa: ANN401 - TensorFlow is loaded late, so its tensors have no static type here

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from converter.corruptions import BOUNDS, NEUTRAL, Corruption
from converter.training.augment import FACTORS

Views = Callable[[Any], Any]
"""From a batch in 0..1, (n, ...), to a batch of changed examples."""

VIEWS = Corruption(
    rotation_deg=5,
    zoom=1.08,
    shear=0.05,
    shift_x=0.04,
    shift_y=0.04,
    gamma=2.7,
    white=0.5,
    cover=0.5,
    cover_wander=1.0,
)
"""What two views of a picture differ by when the recipe does not say; no mirror: left and right may be the class."""
_POSE = ("rotation_deg", "zoom", "shear", "shift_x", "shift_y", "mirror")
_LIGHT = ("gamma", "black", "white", "blur_px", "noise")
_COVER = ("cover", "cover_wander", "cover_value")
SHAKEN = (*_POSE, *_LIGHT, *_COVER)
"""Parameters that views know."""
_TIME_SHIFT = 0.15  # of the length of a spectrogram, to either side
_HIDDEN = 0.25  # largest share of time, and of frequency, that is hidden (Park et al. 2019, SpecAugment)
_LEVEL, _SPECTRUM_NOISE = 0.1, 0.05  # of the range of the values
_BLUR_TAPS_PX = 1.0  # standard deviation of the blurred picture that blur_px mixes in


def unknown(spread: Corruption) -> tuple[str, ...]:
    """Parameters of ``spread`` that views do not know.

    Examples:
        >>> unknown(Corruption(zoom=1.2, stripes=0.5, specks=0.1))
        ('stripes', 'specks')
    """
    return tuple(
        field.name
        for field in fields(Corruption)
        if field.name not in SHAKEN and getattr(spread, field.name) != getattr(NEUTRAL, field.name)
    )


def picture_views(spread: Corruption) -> Views:
    """Views of pictures (n, h, w, c) in 0..1 by cameras about neutral.

    Args:
        spread: Its distance from neutral is the standard deviation of each parameter, as for augmentation.
    """
    import tensorflow as tf

    widths = {name: getattr(spread, name) - getattr(NEUTRAL, name) for name in SHAKEN}

    def views(x: Any) -> Any:
        drawn = _settings(widths, tf.shape(x)[0])
        x = posed(x, drawn)
        if widths["blur_px"]:
            x = _blurred(x, drawn["blur_px"])
        gamma, black, white = (_column(drawn[name]) for name in ("gamma", "black", "white"))
        x = black + (white - black) * tf.pow(tf.clip_by_value(x, 1e-4, 1.0), gamma)
        if widths["cover"]:
            x = _covered(x, drawn)
        if widths["noise"]:
            x = x + _column(drawn["noise"]) * tf.random.normal(tf.shape(x))
        return tf.clip_by_value(x, 0.0, 1.0)

    return views


def spectrum_views(x: Any) -> Any:
    """Views of spectrograms (n, time, frequency) or (n, time, frequency, 1) in 0..1."""
    import tensorflow as tf

    count, time, bins = tf.shape(x)[0], x.shape[1], x.shape[2]
    shape = tf.shape(x)
    x = tf.reshape(x, (count, time, bins))
    shift = tf.random.uniform((count, 1), -_TIME_SHIFT * time, _TIME_SHIFT * time)
    source = tf.clip_by_value(tf.range(time)[None, :] + tf.cast(shift, tf.int32), 0, time - 1)
    x = tf.gather(x, source, axis=1, batch_dims=1)
    x = x + _LEVEL * tf.random.normal((count, 1, 1)) + _SPECTRUM_NOISE * tf.random.normal((count, time, bins))
    mean = tf.reduce_mean(x, axis=(1, 2), keepdims=True)
    x = tf.where(_stretch(count, time)[:, :, None], mean, x)
    x = tf.where(_stretch(count, bins)[:, None, :], mean, x)
    return tf.reshape(x, shape)


def _stretch(count: Any, length: int) -> Any:
    """Which of ``length`` places are hidden: one stretch in each example, (count, length)."""
    import tensorflow as tf

    width = tf.random.uniform((count, 1), 0.0, _HIDDEN) * length
    start = tf.random.uniform((count, 1)) * (length - width)
    place = tf.range(length, dtype=tf.float32)[None, :]
    return (place >= start) & (place < start + width)


def _settings(widths: Mapping[str, float], count: Any) -> dict[str, Any]:
    """(n,) values for every parameter; what has one side only strays to that side, factors stray by factors."""
    import tensorflow as tf

    drawn = {}
    for name, width in widths.items():
        neutral, (low, high) = getattr(NEUTRAL, name), BOUNDS[name]
        away = tf.random.normal((count,))
        if name in FACTORS:
            found = tf.exp(away * math.log(neutral + width))
        else:
            found = neutral + width * (tf.abs(away) if low == neutral else away)
        drawn[name] = tf.clip_by_value(found, low, high)
    return drawn


def posed(x: Any, drawn: Mapping[str, Any]) -> Any:
    """Rotate, zoom, shear, mirror and shift by bilinear sampling; what comes from outside repeats the border."""
    import tensorflow as tf

    height, width = x.shape[1], x.shape[2]
    angle = drawn["rotation_deg"] * 0.017453293
    cos, sin = tf.cos(angle) / drawn["zoom"], tf.sin(angle) / drawn["zoom"]
    flip = tf.where(drawn["mirror"] > 0.5, -1.0, 1.0)
    shear = drawn["shear"]
    along_x = (cos * flip, (-cos * shear - sin) * flip)  # source x for a step to the right, and for a step down
    along_y = (sin, cos - sin * shear)
    from_x = -(width - 1) / 2 - drawn["shift_x"] * width
    from_y = -(height - 1) / 2 - drawn["shift_y"] * height
    rows = [
        *along_x, along_x[0] * from_x + along_x[1] * from_y + (width - 1) / 2,
        *along_y, along_y[0] * from_x + along_y[1] * from_y + (height - 1) / 2,
        tf.zeros_like(cos), tf.zeros_like(cos),
    ]  # fmt: skip
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=x,
        transforms=tf.stack(rows, axis=1),
        output_shape=(height, width),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )


def _blurred(x: Any, blur_px: Any) -> Any:
    """Mix in a blurred picture: nearly a blur of that width, at a tenth of the work."""
    import tensorflow as tf

    taps = tf.exp(-0.5 * (tf.range(-2.0, 3.0) / _BLUR_TAPS_PX) ** 2)
    kernel = taps[:, None] * taps[None, :] / tf.reduce_sum(taps) ** 2
    kernel = tf.repeat(kernel[:, :, None, None], x.shape[3], axis=2)
    blurred = tf.nn.depthwise_conv2d(x, kernel, (1, 1, 1, 1), "SAME")
    share = tf.minimum(_column(blur_px) / _BLUR_TAPS_PX, 1.0)
    return x + share * (blurred - x)


def _covered(x: Any, drawn: Mapping[str, Any]) -> Any:
    """Cover a square whose centre strays about the middle."""
    import tensorflow as tf

    half = drawn["cover"][:, None] / 2

    def inside(length: int) -> Any:
        stray = drawn["cover_wander"] * (tf.random.uniform(tf.shape(drawn["cover"])) - 0.5)
        place = (tf.range(length, dtype=tf.float32) + 0.5) / length
        return tf.abs(place[None, :] - 0.5 - stray[:, None]) < half

    mask = inside(x.shape[1])[:, :, None, None] & inside(x.shape[2])[:, None, :, None]
    return tf.where(mask, _column(drawn["cover_value"]), x)


def _column(values: Any) -> Any:
    return values[:, None, None, None]
