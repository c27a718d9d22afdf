"""Keras models become networks of linear maps and rectifiers, and learn to speak in levels and in spikes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from converter.errors import DatasetError, ModelError
from converter.keras_process.bench import RefusedModelError
from converter.keras_process.process import KerasProcess
from converter.keras_process.spiking.extraction import float_network
from converter.progress import SilentProgress
from converter.recipe import (
    AutoencoderRecipe,
    Cnn1dRecipe,
    CnnRecipe,
    DsCnnRecipe,
    MlpRecipe,
    MobileNetRecipe,
    NetworkRecipe,
    ResNet8Recipe,
    TrainingRecipe,
)
from converter.recipe.spiking import SpikingRecipe, SpikingTrainingRecipe
from converter.spiking import forward
from converter.spiking.extract import extract
from converter.spiking.float_network import FloatNeurons
from converter.training.fit import fit
from converter.training.mix import plain_epochs
from converter.training.spiking import fine_tune, surrogate
from tests.unit.converter.fake_keras import AsTheyAre

pytestmark = pytest.mark.integration
QUIET = SilentProgress()
rng = np.random.default_rng(0)
Y = np.arange(192) % 3
TURNED = (np.array([[1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]], np.float32))[Y]
X = np.asarray(np.kron(TURNED.reshape(-1, 2, 2), np.ones((4, 4))) + 0.2 * rng.random((192, 8, 8)), np.float32)[
    ..., None
]
SMALL = CnnRecipe(filters=(8, 8), kernel=3, halve="average", dense=16, dropout=0.0)


@pytest.fixture(scope="module")
def keras() -> Iterator[KerasProcess]:
    with KerasProcess() as process:
        yield process


@pytest.fixture(scope="module")
def trained() -> Iterator[KerasProcess]:
    with KerasProcess() as process:
        process.create(SMALL, (8, 8, 1), 3, seed=1)
        training = TrainingRecipe(epochs=12, batch=32, learning_rate=0.01, seed=1)
        fit(process, plain_epochs(X, Y, None, (0.0, 1.0)), (X, Y), AsTheyAre(), training, QUIET)
        yield process


def shuffled(model: Any) -> Any:
    """The model with statistics of batch normalisation and biases as training would leave them."""
    for weight in model.weights:
        if "variance" in weight.path:
            weight.assign(rng.uniform(0.5, 2.0, weight.shape))
        elif any(name in weight.path for name in ("gamma", "beta", "mean", "bias")):
            weight.assign(rng.normal(0.3, 0.5, weight.shape))
    return model


def functional(shape: tuple[int, ...], build: Callable[[Any, Any], Any]) -> Any:
    import keras

    x = keras.Input(shape)
    return shuffled(keras.Model(x, build(keras.layers, x)))


def both(model: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logits of the network that was read, and those of the model."""
    x = rng.normal(size=(4, *model.input_shape[1:])).astype(np.float32)
    return forward.logits(float_network(model, "refuse"), x), np.asarray(model(x, training=False))


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (SMALL, (28, 28)),
        (CnnRecipe(filters=(4,), normalise=True), (9, 9, 2)),
        (ResNet8Recipe(filters=(4, 8)), (12, 12, 3)),
        (DsCnnRecipe(filters=6, blocks=2), (25, 10)),
        (MobileNetRecipe(filters=(4, 6, 8)), (16, 16, 1)),
        (Cnn1dRecipe(filters=(4, 6)), (64, 2)),
        (MlpRecipe(hidden=(9, 7)), (4, 3)),
        (AutoencoderRecipe(hidden=(8,), bottleneck=3), (4, 3)),
    ],
    ids=["cnn", "cnn-strides", "resnet8", "ds_cnn", "mobilenet", "cnn1d", "mlp", "autoencoder"],
)
def test_reference_networks_are_read_as_they_are(
    keras: KerasProcess, network: NetworkRecipe, shape: tuple[int, ...]
) -> None:
    x = rng.normal(size=(4, *shape)).astype(np.float32)
    outputs = x[0].size if isinstance(network, AutoencoderRecipe) else 5
    keras.create(network, shape, outputs, seed=2)

    np.testing.assert_allclose(forward.logits(extract(keras), x), keras.logits(x), rtol=1e-3, atol=1e-4)


def test_layers_of_one_dimension() -> None:
    def build(layers: Any, x: Any) -> Any:
        x = layers.ReLU()(layers.BatchNormalization()(layers.Conv1D(6, 5, strides=2, padding="same")(x)))
        x = layers.AveragePooling1D(2)(layers.Conv1D(8, 3, padding="causal", dilation_rate=2, activation="relu")(x))
        x = layers.SeparableConv1D(5, 3, depth_multiplier=2, padding="same", activation="relu")(x)
        return layers.Dense(4)(layers.GlobalAveragePooling1D()(x))

    found, expected = both(functional((40, 3), build))

    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_groups_multipliers_padding_and_limits() -> None:
    def build(layers: Any, x: Any) -> Any:
        x = layers.DepthwiseConv2D(3, depth_multiplier=2, activation="relu6")(layers.Rescaling(9.0)(x))
        x = layers.Conv2D(8, 3, groups=2, activation="relu")(layers.ZeroPadding2D(((0, 1), (1, 0)))(x))
        x = layers.BatchNormalization()(layers.Dropout(0.2)(x))
        x = layers.Conv2D(6, 3, dilation_rate=2, activation="relu")(x)
        return layers.Dense(4)(layers.Flatten()(layers.AveragePooling2D(2)(layers.BatchNormalization()(x))))

    found, expected = both(functional((16, 16, 4), build))

    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_scales_go_along_with_a_reshaping() -> None:
    def pictures(layers: Any, x: Any) -> Any:
        x = layers.Reshape((9, 8, 1))(layers.Rescaling(2.0, offset=-1.0)(x))
        x = layers.BatchNormalization()(layers.Conv2D(4, 3, activation="relu")(x))
        return layers.Dense(3)(layers.BatchNormalization()(layers.Flatten()(x)))

    found, expected = both(functional((9, 8), pictures))

    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_branches_and_models_in_models() -> None:
    import keras

    def build(layers: Any, x: Any) -> Any:
        x = layers.Normalization(mean=rng.random(8), variance=rng.random(8))(x)
        x = keras.Sequential([layers.Dense(6, activation="relu"), layers.Dropout(0.1)])(x)
        x = keras.ops.relu(x + layers.Dense(6)(layers.Dense(3)(x)))
        return layers.Dense(4)(x)

    found, expected = both(functional((8,), build))

    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_softmax_at_the_end_is_left_out() -> None:
    found, expected = both(
        functional((8,), lambda layers, x: layers.Dense(4, activation="softmax")(layers.Dense(6, activation="relu")(x)))
    )

    shares = np.exp(found) / np.exp(found).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares, expected, rtol=1e-3)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda layers, x: layers.MaxPooling2D(2, name="top")(layers.ReLU()(x)), "top is a maximum pooling.*average"),
        (lambda layers, x: layers.Conv2D(2, 3, activation="gelu", name="soft")(x), "layer soft .*gelu, expected relu"),
        (lambda layers, x: layers.LayerNormalization(name="norm")(x), r"layer norm \(LayerNormalization\)"),
        (lambda layers, x: layers.LeakyReLU(name="leak")(x), r"layer leak \(LeakyReLU\) has no form"),
        (lambda layers, x: layers.Conv2D(2, 3)(layers.Conv2D(2, 3)(x)), "expected a ReLU between them"),
        (lambda layers, x: layers.AveragePooling2D(2, name="mean")(x), "mean is an average pooling of values"),
        (lambda layers, x: layers.Flatten()(x), "found no layer with ReLU"),
        (
            lambda layers, x: layers.GlobalMaxPooling2D(name="top", keepdims=True)(layers.ReLU()(x)),
            "top is a maximum pooling .* global average pooling",
        ),
        (lambda layers, x: layers.ReLU()(x) + 1.0, "adds a constant, expected a sum of two layers"),
        (
            lambda layers, x: layers.Reshape((8, 16, 1), name="turn")(layers.BatchNormalization()(x)),
            "layer turn reshapes .* scales each of its columns",
        ),
    ],
)
def test_what_has_no_form_in_spikes_is_refused_by_name(build: Callable[[Any, Any], Any], message: str) -> None:
    model = functional((8, 8, 2), lambda layers, x: layers.Dense(3)(layers.Flatten()(build(layers, x))))

    with pytest.raises(RefusedModelError, match=message):
        float_network(model, "refuse")


def test_strides_take_the_place_of_maximum_pooling(keras: KerasProcess) -> None:
    keras.create(CnnRecipe(filters=(4, 4, 4), kernel=3, halve="pool", dense=8), (15, 15, 1), 3, seed=1)

    with pytest.raises(ModelError, match="max_pooling: strided"):
        extract(keras)
    network = extract(keras, max_pooling="strided")

    assert [node.shape[:2] for node in network.nodes] == [(7, 7), (3, 3), (1, 1), (1, 1), (1, 1)]
    assert forward.logits(network, rng.random((2, 15, 15, 1), np.float32)).shape == (2, 3)


def test_levels_and_ceilings_are_learnt(trained: KerasProcess) -> None:
    recipe = SpikingRecipe(levels=3, training=SpikingTrainingRecipe(steps=120, batch=32))

    network, curve = fine_tune(trained, recipe, X, Y, QUIET, seed=1)

    assert len(curve.loss) == 3
    assert np.mean(forward.logits(network, X, levels=3).argmax(axis=1) == Y) > 0.95
    for node in network.nodes:
        if isinstance(node, FloatNeurons):
            assert node.ceiling is not None
            assert node.ceiling.min() > 0


def test_fine_tuning_repeats_itself(trained: KerasProcess) -> None:
    recipe = SpikingRecipe(levels=3, training=SpikingTrainingRecipe(steps=20, batch=32))

    first, second = (fine_tune(trained, recipe, X, Y, QUIET, seed=4)[0] for _ in range(2))

    np.testing.assert_array_equal(forward.logits(first, X[:8], levels=3), forward.logits(second, X[:8], levels=3))


def test_spikes_step_by_step_are_learnt(trained: KerasProcess) -> None:
    section = SpikingTrainingRecipe(steps=60, batch=32)
    recipe = SpikingRecipe(coding="if", levels=3, training=section, surrogate=section)
    network, _ = fine_tune(trained, recipe, X, Y, QUIET, seed=1)

    _, curve = surrogate(trained, recipe, network, X, Y, QUIET, seed=1)

    assert curve.loss[-1] < curve.loss[0]


def test_a_batch_that_the_examples_cannot_fill_is_refused(trained: KerasProcess) -> None:
    recipe = SpikingRecipe(training=SpikingTrainingRecipe(batch=500))

    with pytest.raises(DatasetError, match="found 500 and 192 examples"):
        fine_tune(trained, recipe, X, Y, QUIET, seed=1)
