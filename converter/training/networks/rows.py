"""Networks for rows and windows of rows."""
# ruff: noqa: ANN401 - Keras is loaded late, so its tensors and models have no static type here

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from converter.recipe import AutoencoderRecipe, Cnn1dRecipe, MlpRecipe
from converter.training.networks.parts import BN_MOMENTUM, EMBEDDING, convolved, pooled, size


def cnn1d(recipe: Cnn1dRecipe, x: Any) -> Any:
    """Convolutions along the time of (batch, length, columns), to the embedding.

    They are two-dimensional ones over a picture that is one pixel wide: TFLite has no others, and would wrap each
    Conv1D in two operations that reshape.
    """
    from keras import layers

    length, columns = x.shape[1:]
    x = layers.Reshape((length, 1, columns))(x)
    for number, filters in enumerate(recipe.filters):
        kernel, stride = recipe.kernel, recipe.stride
        if number == 0:
            kernel, stride = recipe.first_kernel or kernel, recipe.first_stride or stride
        x = convolved(x, filters, (kernel, 1), (stride, 1))
    return pooled(x)


def mlp(recipe: MlpRecipe, x: Any) -> Any:
    """Dense layers, to the embedding."""
    from keras import layers

    if not recipe.hidden:  # a linear model
        return layers.Flatten(name=EMBEDDING)(x)
    *first, last = recipe.hidden
    x = layers.Flatten()(x)
    for width in first:
        x = layers.Dense(width, activation="relu")(x)
        x = layers.Dropout(recipe.dropout)(x) if recipe.dropout else x
    return layers.Dense(last, activation="relu", name=EMBEDDING)(x)


def autoencoder(recipe: AutoencoderRecipe, x: Any) -> Any:
    """A copy (batch, numbers in an input) of the input that had to pass the bottleneck, which is the embedding.

    Koizumi et al. 2020, the baseline of DCASE 2020 task 2, which MLPerf Tiny took for anomaly detection.
    """
    from keras import layers

    count = size(tuple(x.shape[1:]))
    x = _folding(layers.Flatten()(x), recipe.hidden)
    x = layers.Dense(recipe.bottleneck, activation="relu", name=EMBEDDING)(x)
    x = _folding(x, recipe.hidden[::-1])
    return layers.Dense(count, name="reconstruction")(x)


def _folding(x: Any, widths: Sequence[int]) -> Any:
    """Dense layers with batch normalisation, which the conversion folds into them."""
    from keras import layers

    for width in widths:
        x = layers.BatchNormalization(momentum=BN_MOMENTUM)(layers.Dense(width, use_bias=False)(x))
        x = layers.ReLU()(x)
    return x
