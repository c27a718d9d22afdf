"""Networks for pictures and spectrograms, from (batch, height, width, channels) to the embedding."""
# ruff: noqa: ANN401 - Keras is loaded late, so its tensors and models have no static type here

from __future__ import annotations

from typing import Any

from converter.recipe import CnnRecipe, DsCnnRecipe, MobileNetRecipe, ResNet8Recipe
from converter.training.networks.parts import BN_MOMENTUM, EMBEDDING, convolved, pooled, separable

LARGE = 64  # pixels of a side from which on a MobileNet's first convolution halves the picture


def cnn(recipe: CnnRecipe, x: Any) -> Any:
    """Convolutions that halve the picture, and a hidden layer."""
    from keras import layers

    for filters in recipe.filters:
        stride = 2 if recipe.halve == "stride" else 1
        x = layers.Conv2D(filters, recipe.kernel, strides=stride, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=BN_MOMENTUM)(x)  # folded into the convolution by the conversion
        x = layers.ReLU()(x)
        if recipe.halve == "pool":
            x = layers.MaxPooling2D()(x)
        elif recipe.halve == "average":
            x = layers.AveragePooling2D(2)(x)
    x = layers.Flatten()(x)
    if not recipe.normalise:
        return layers.Dense(recipe.dense, activation="relu", name=EMBEDDING)(x)
    x = layers.BatchNormalization(momentum=BN_MOMENTUM)(layers.Dense(recipe.dense, use_bias=False)(x))
    return layers.ReLU(name=EMBEDDING)(x)


def resnet8(recipe: ResNet8Recipe, x: Any) -> Any:
    """A convolution and residual stages of two convolutions, each at half the resolution of the one before.

    Banbury et al. 2021, MLPerf Tiny Benchmark: image classification, of He et al. 2016.
    """
    x = convolved(x, recipe.filters[0], 3)
    for number, filters in enumerate(recipe.filters):
        x = _residual(x, filters, stride=1 if number == 0 else 2)
    return pooled(x)


def _residual(x: Any, filters: int, stride: int) -> Any:
    from keras import layers

    same = {"padding": "same", "kernel_initializer": "he_normal"}
    inner = convolved(x, filters, 3, stride)
    inner = layers.Conv2D(filters, 3, use_bias=False, **same)(inner)
    inner = layers.BatchNormalization(momentum=BN_MOMENTUM)(inner)
    if stride > 1 or x.shape[-1] != filters:
        x = layers.Conv2D(filters, 1, strides=stride, **same)(x)
    return layers.ReLU()(layers.Add()([x, inner]))


def mobilenet(recipe: MobileNetRecipe, x: Any) -> Any:
    """A convolution and depthwise-separable blocks; one that is wider than the one before halves the picture."""
    first, *blocks = recipe.filters
    x = convolved(x, first, 3, 2 if min(x.shape[1:3]) >= LARGE else 1)
    for filters in blocks:
        x = separable(x, filters, stride=2 if filters > x.shape[-1] else 1)
    return pooled(x)


def ds_cnn(recipe: DsCnnRecipe, x: Any) -> Any:
    """A large first convolution over time and frequency, then depthwise-separable blocks at that resolution.

    Zhang et al. 2017, Hello Edge: Keyword Spotting on Microcontrollers.
    """
    x = convolved(x, recipe.filters, recipe.first_kernel, recipe.first_stride)
    for _ in range(recipe.blocks):
        x = separable(x, recipe.filters)
    return pooled(x)
