"""What the reference networks are put together of: blocks that the conversion folds into one operation each."""
# ruff: noqa: ANN401 - Keras is loaded late, so its tensors and models have no static type here

from __future__ import annotations

import math
from typing import Any

EMBEDDING = "embedding"
"""Name of the layer whose output feeds the head, in every network: what is pre-trained ends with it."""
BN_MOMENTUM = 0.9  # Keras' 0.99 needs hundreds of steps until the statistics hold; small data have fewer


def as_picture(x: Any) -> Any:
    """Give (batch, height, width) the channel axis that it lacks."""
    from keras import layers

    shape = tuple(x.shape[1:])
    return x if len(shape) == 3 else layers.Reshape((*shape, 1))(x)


def convolved(x: Any, filters: int, kernel: int | tuple[int, int], stride: int | tuple[int, int] = 1) -> Any:
    """Convolution, batch normalisation (which the conversion folds into it) and ReLU."""
    from keras import layers

    x = layers.Conv2D(filters, kernel, strides=stride, padding="same", use_bias=False, kernel_initializer="he_normal")(
        x
    )
    return layers.ReLU()(layers.BatchNormalization(momentum=BN_MOMENTUM)(x))


def separable(x: Any, filters: int, stride: int = 1) -> Any:
    """Depthwise 3 x 3, then pointwise convolution, each with batch normalisation and ReLU."""
    from keras import layers

    x = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization(momentum=BN_MOMENTUM)(x))
    return convolved(x, filters, 1)


def pooled(x: Any) -> Any:
    """Mean of every channel: the embedding of a convolutional network."""
    from keras import layers

    return layers.GlobalAveragePooling2D(name=EMBEDDING)(x)


def classified(x: Any, classes: int, dropout: float) -> Any:
    """Logits of an embedding: the head."""
    from keras import layers

    if dropout:
        x = layers.Dropout(dropout)(x)
    return layers.Dense(classes, name="logits")(x)


def size(shape: tuple[int, ...]) -> int:
    """Numbers in one input."""
    return math.prod(shape)
