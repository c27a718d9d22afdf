"""Every reference network learns in TensorFlow and becomes an int8 file that gives what the network gives."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from converter.keras_process.process import KerasProcess
from converter.progress import SilentProgress
from converter.quantize.convert import convert
from converter.recipe import (
    AutoencoderRecipe,
    Cnn1dRecipe,
    CnnRecipe,
    DsCnnRecipe,
    MlpRecipe,
    MobileNetRecipe,
    NetworkRecipe,
    QuantizeRecipe,
    ResNet8Recipe,
    TrainingRecipe,
)
from converter.training.fit import Stage, fit
from converter.training.mix import plain_epochs
from edge_models.engines.tflite import TfliteModel
from tests.unit.converter.fake_keras import AsTheyAre

pytestmark = pytest.mark.integration

CLASSES = 3
N = 96
Y = np.arange(N) % CLASSES


@pytest.fixture(scope="module")
def keras() -> Iterator[KerasProcess]:
    with KerasProcess() as process:
        yield process


def levels(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Noise whose mean is the class."""
    noise = np.random.default_rng(1).normal(0, 0.5, (N, *shape))
    return (noise + Y.reshape(-1, *[1] * len(shape))).astype(np.float32)


def outputs(data: bytes, x: NDArray[np.float32]) -> NDArray[np.float32]:
    model = TfliteModel(data, delegates=False)
    try:
        return np.stack([np.asarray(model.run(one)[0], np.float32) for one in x])
    finally:
        model.close()


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (CnnRecipe(filters=(4, 8), dense=8), (12, 12, 1)),
        (ResNet8Recipe(filters=(8, 8, 16)), (16, 16, 3)),
        (DsCnnRecipe(filters=8, blocks=2), (24, 10)),
        (MobileNetRecipe(filters=(8, 8, 16)), (16, 16)),
        (Cnn1dRecipe(filters=(8, 16), first_kernel=9, first_stride=4), (64, 2)),
        (MlpRecipe(hidden=(16,)), (6,)),
        (MlpRecipe(hidden=()), (6, 2)),
    ],
    ids=["cnn", "resnet8", "ds_cnn", "mobilenet", "cnn1d", "mlp", "linear"],
)
def test_network_learns_and_is_converted(keras: KerasProcess, network: NetworkRecipe, shape: tuple[int, ...]) -> None:
    x = levels(shape)
    keras.create(network, shape, CLASSES, seed=1)
    recipe = TrainingRecipe(epochs=6, batch=8, learning_rate=0.01, l2=1e-4, l1=1e-6, label_smoothing=0.05)

    curve = fit(keras, plain_epochs(x, Y, None, (0, 1)), (x, Y), AsTheyAre(), recipe, SilentProgress())
    made = convert(keras, QuantizeRecipe(), x)

    assert curve.loss[-1] < curve.loss[0]
    assert keras.logits(x).shape == (N, CLASSES)
    assert np.abs(outputs(made.float32, x[:8]) - keras.logits(x[:8])).max() < 1e-4
    assert not made.inspections["int8"].float_ops


def test_autoencoder_learns_to_repeat_its_input(keras: KerasProcess) -> None:
    shape = (4, 3)
    x = levels(shape) - 1
    keras.create(AutoencoderRecipe(hidden=(16,), bottleneck=4), shape, 12, seed=1)
    recipe = TrainingRecipe(epochs=8, batch=8, learning_rate=0.01, patience=3)

    curve = fit(
        *(keras, plain_epochs(x, Y, None, (0, 1)), (x, Y), AsTheyAre(), recipe, SilentProgress()),
        Stage(loss="reconstruction"),
    )

    assert curve.validation_loss[-1] < 0.8 * curve.validation_loss[0]
    assert curve.accuracy == ()
    copies = keras.logits(x)
    assert copies.shape == (N, 12)
    assert np.mean((copies - x.reshape(N, -1)) ** 2) == pytest.approx(min(curve.validation_loss), rel=1e-3)
