"""Which layers lose most, and what is done with that."""

from __future__ import annotations

import pytest

from converter.keras_process.sensitivity import ExaminedLayer, _original
from converter.quantize.inspection import layer_name
from converter.quantize.sensitivity import LayerNoise, _noise, calibration_warning, sensitive_layers


def layer(
    tensor: str = "a", *, sqnr_db: float = 30.0, rmse_over_scale: float = 1.0, half_range: float = 1.0
) -> LayerNoise:
    examined = ExaminedLayer(
        tensor=tensor,
        operator="CONV_2D",
        elements=100,
        sqnr_db=sqnr_db,
        rmse_over_scale=rmse_over_scale,
        max_error=0.1,
        scale=0.1,
        zero_point=0,
        low=-1.0,
        high=1.0,
        half_range=half_range,
        histogram=(1, 2, 3),
    )
    return _noise(examined)


def test_the_layer_with_most_noise_beyond_rounding_comes_first() -> None:
    layers = [
        layer("rounding", sqnr_db=10.0, rmse_over_scale=0.28),  # few steps used, but nothing that float would save
        layer("quiet", sqnr_db=40.0),
        layer("loud", sqnr_db=20.0),
    ]

    assert sensitive_layers(layers, 1) == ("loud",)
    assert sensitive_layers(layers, 9) == ("loud", "quiet")


def test_noise_beyond_rounding_is_what_float_would_save() -> None:
    assert layer(rmse_over_scale=0.2).removable == 0
    assert layer(rmse_over_scale=1.0, sqnr_db=20.0).removable == pytest.approx(0.01 * 11 / 12)


def test_ranges_that_half_of_the_examples_give_are_steady() -> None:
    assert calibration_warning([layer(half_range=0.95), layer(half_range=0.5), layer(half_range=0.99)]) is None


def test_ranges_that_grow_with_the_calibration_set_ask_for_more() -> None:
    said = calibration_warning([layer(half_range=0.8), layer("x/conv/Conv2D", half_range=0.5), layer(half_range=0.85)])

    assert said is not None
    assert "only 80% of the ranges (median of the layers; conv: 50%); raise quantize.calibration" in said


@pytest.mark.parametrize(
    ("shown", "meant"),
    [
        ("m/a;m/conv", "m/a;m/conv"),
        ("StatefulPartitionedCall_1:", "StatefulPartitionedCall_1:0"),  # the debugger took its own digit off
        ("m/add3", "m/add"),  # a name used three times
        ("m/conv11", "m/conv1"),
        ("m/other", None),
    ],
)
def test_the_debuggers_names_are_led_back_to_tensors(shown: str, meant: str | None) -> None:
    names = ["m/a;m/conv", "StatefulPartitionedCall_1:0", "m/add", "m/conv", "m/conv1"]

    assert _original(shown, names) == meant


@pytest.mark.parametrize(
    ("tensor", "name"),
    [
        ("functional_1/re_lu_2_1/add;functional_1/re_lu_2_1/Relu", "re_lu_2_1"),
        ("model/dense/MatMul;model/dense/BiasAdd", "dense"),
        ("model/depthwise_conv2d/depthwise;model/bn/FusedBatchNormV3", "depthwise_conv2d"),
        ("Identity", "output"),
        ("y0", "y0"),
    ],
)
def test_layers_have_names_for_people(tensor: str, name: str) -> None:
    assert layer_name(tensor) == name
