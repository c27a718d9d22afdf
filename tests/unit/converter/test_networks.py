"""Which network fits which input, before any of them is built."""

from __future__ import annotations

import pytest

from converter.errors import RecipeError
from converter.recipe import (
    AutoencoderRecipe,
    Cnn1dRecipe,
    CnnRecipe,
    DsCnnRecipe,
    MlpRecipe,
    MobileNetRecipe,
    NetworkRecipe,
    ResNet8Recipe,
)
from converter.training.networks import check_network


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (CnnRecipe(), (28, 28, 1)),
        (CnnRecipe(), (49, 10)),
        (ResNet8Recipe(), (32, 32, 3)),
        (MobileNetRecipe(), (96, 96, 1)),
        (DsCnnRecipe(), (49, 10)),
        (Cnn1dRecipe(), (512, 2)),
        (MlpRecipe(), (8,)),
        (AutoencoderRecipe(), (16, 8)),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_network_fits_its_kind_of_input(network: NetworkRecipe, shape: tuple[int, ...]) -> None:
    check_network(network, shape)


@pytest.mark.parametrize(
    ("network", "shape", "message"),
    [
        (ResNet8Recipe(), (8,), r"found resnet8 for an input of shape \(8,\), expected \(height, width"),
        (DsCnnRecipe(), (16000,), r"found ds_cnn for an input of shape \(16000,\).*use type: mlp for rows"),
        (Cnn1dRecipe(), (8,), r"found cnn1d .*expected \(length, columns\) of a window of rows; add a window step"),
        (Cnn1dRecipe(), (28, 28, 1), r"found cnn1d for an input of shape \(28, 28, 1\)"),
        (MobileNetRecipe(filters=()), (28, 28), "network.filters: found none, expected at least one for mobilenet"),
        (CnnRecipe(filters=(8,) * 5, halve="pool"), (28, 28, 1), "expected a side of at least 32"),
        (CnnRecipe(filters=(8,) * 5, halve="average"), (28, 28, 1), "expected a side of at least 32"),
    ],
)
def test_misfit_is_refused(network: NetworkRecipe, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        check_network(network, shape)
