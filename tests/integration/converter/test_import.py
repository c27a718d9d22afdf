"""Trained models of the user's: what is taken, what is left out at their end, and what is refused in one line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from converter.errors import ModelError
from converter.keras_process.process import KerasProcess
from converter.progress import SilentProgress
from converter.quantize.convert import convert
from converter.recipe import QuantizeRecipe, SavedRecipe, TrainingRecipe, TransferRecipe
from converter.training.fit import Stage, fit
from converter.training.mix import plain_epochs
from tests.architecture.tree import ROOT
from tests.unit.converter.fake_keras import AsTheyAre

pytestmark = pytest.mark.integration

SHAPE = (8, 8, 1)
X = np.random.default_rng(1).normal(size=(32, *SHAPE)).astype(np.float32)
Y = (X.mean(axis=(1, 2, 3)) > 0).astype(np.int64)

# Run in a process of its own, as all of TensorFlow here. The logits of `net` are x @ weights of each file's model.
MAKE = """
import pathlib, sys
import numpy as np
from converter.keras_process.tensorflow import load_tensorflow
load_tensorflow()
import h5py, keras, tensorflow as tf

folder = pathlib.Path(sys.argv[1])
keras.utils.set_random_seed(1)
x = np.load(folder / "x.npy")

def net(*tail, name="embedding"):
    return keras.Sequential([
        keras.Input((8, 8, 1)), keras.layers.Conv2D(4, 3), keras.layers.DepthwiseConv2D(3, name="depth"),
        keras.layers.BatchNormalization(), keras.layers.GlobalAveragePooling2D(name=name), *tail])

soft = net(keras.layers.Dense(3, activation="softmax", name="out"))
logits = keras.Model(soft.inputs, soft.layers[-2].output)(x).numpy() @ soft.layers[-1].kernel.numpy()
np.save(folder / "logits.npy", logits + soft.layers[-1].bias.numpy())
soft.save(folder / "soft.keras")
soft.save(folder / "soft.h5")
soft.save_weights(folder / "only.weights.h5")
soft.export(folder / "soft", verbose=False)
with h5py.File(folder / "soft.h5", "r+") as file:  # as Keras 2 wrote it
    config = file.attrs["model_config"]
    config = config.decode() if isinstance(config, bytes) else config
    file.attrs["model_config"] = config.replace('"depth_multiplier"', '"groups": 1, "depth_multiplier"')
apart = net(keras.layers.Dense(3), keras.layers.Softmax())
apart.save(folder / "apart.keras")
one = net(keras.layers.Dense(1, activation="sigmoid"))
one.save(folder / "one.keras")
np.save(folder / "one.npy", one(x).numpy())
keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Lambda(lambda x: x * 2)]).save(folder / "code.keras")

class Own(keras.layers.Layer):
    def call(self, x):
        return x

net(Own(), keras.layers.Dense(3)).save(folder / "own.keras")
data = (folder / "soft.h5").read_bytes()
(folder / "half.h5").write_bytes(data[: len(data) // 2])
data = (folder / "soft.keras").read_bytes()
(folder / "half.keras").write_bytes(data[: len(data) // 2])
(folder / "text.h5").write_text("no model")
(folder / "empty").mkdir()
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    np.save(folder / "x.npy", X)
    subprocess.run([sys.executable, "-c", MAKE, str(folder)], cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def keras() -> Iterator[KerasProcess]:
    with KerasProcess() as process:
        yield process


def take(keras: KerasProcess, path: Path, shape: tuple[int, ...] = SHAPE, classes: int = 3) -> None:
    keras.create(SavedRecipe(path=str(path)), shape, classes, seed=1)


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("name", ["soft.keras", "soft.h5", "soft"], ids=["keras", "h5 of Keras 2", "SavedModel"])
def test_model_gives_its_logits_and_is_converted(keras: KerasProcess, models: Path, name: str) -> None:
    take(keras, models / name)

    logits = keras.logits(X)
    made = convert(keras, QuantizeRecipe(), X)

    assert np.allclose(logits, np.load(models / "logits.npy"), atol=1e-5)
    assert not made.inspections["int8"].float_ops


def test_softmax_layer_of_its_own_is_left_out(keras: KerasProcess, models: Path) -> None:
    take(keras, models / "apart.keras")

    assert np.abs(keras.logits(X).sum(axis=1) - 1).max() > 1e-3


def test_single_sigmoid_becomes_two_logits_with_the_same_odds(keras: KerasProcess, models: Path) -> None:
    take(keras, models / "one.keras", classes=2)

    assert np.allclose(softmax(keras.logits(X))[:, 1:], np.load(models / "one.npy"), atol=1e-6)


def test_axis_of_length_one_may_be_missing(keras: KerasProcess, models: Path) -> None:
    take(keras, models / "soft.keras", shape=(8, 8))

    assert np.allclose(keras.logits(X[..., 0]), np.load(models / "logits.npy"), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "shape", "classes", "message"),
    [
        ("half.h5", SHAPE, 3, "half.h5: the file is truncated; copy it again"),
        ("half.keras", SHAPE, 3, "half.keras: no .keras file, or a truncated one; copy it again"),
        ("text.h5", SHAPE, 3, "text.h5: no HDF5 file, expected a .keras file"),
        ("only.weights.h5", SHAPE, 3, r"only.weights.h5: it holds weights only, .* write it with model\.save"),
        ("none.keras", SHAPE, 3, "none.keras: no such file or folder, expected a .keras file"),
        ("empty", SHAPE, 3, "empty: found no saved_model.pb, expected the folder of a SavedModel"),
        ("code.keras", SHAPE, 3, "code.keras: it holds a Lambda layer, which is code from the file"),
        ("own.keras", SHAPE, 3, "own.keras: it holds a layer of your own; write it with model.export"),
        ("soft.keras", (9, 9, 1), 3, r"its input is \(8, 8, 1\), found \(9, 9, 1\) after input.preprocess; change"),
        ("soft.keras", SHAPE, 5, r"its output is \(3\), expected \(5\): one number for each label"),
    ],
)
def test_what_cannot_be_taken_is_named_with_the_remedy(
    keras: KerasProcess, models: Path, name: str, shape: tuple[int, ...], classes: int, message: str
) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        take(keras, models / name, shape, classes)

    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_saved_model_is_not_trained_on(keras: KerasProcess, models: Path) -> None:
    take(keras, models / "soft")

    with pytest.raises(ModelError, match="no weights that can learn"):
        keras.schedule(TrainingRecipe(), 10)


def test_backbone_is_frozen_while_its_head_learns(keras: KerasProcess, models: Path) -> None:
    keras.create(TransferRecipe(backbone=str(models / "soft.keras"), dropout=0), SHAPE, 8, seed=1)
    recipe = TrainingRecipe(epochs=1, batch=8, learning_rate=0.05)
    given = plain_epochs(X, Y, None, (0, 1)), (X, Y), AsTheyAre()
    before = keras.logits(X)

    fit(keras, *given, recipe, SilentProgress(), Stage(part="head"))
    after = keras.logits(X)
    fit(keras, *given, recipe, SilentProgress(), Stage(part="fine"))

    assert rank(before) == 5  # eight logits of four features and a bias
    assert rank(np.concatenate([before, after], axis=1)) == 5  # still the same four features
    assert np.abs(after - before).max() > 0.01
    assert rank(np.concatenate([before, keras.logits(X)], axis=1)) > 5


def rank(logits: NDArray[np.float32]) -> int:
    """Dimensions of the features that the logits are made of, and of a bias."""
    whole = np.concatenate([logits, np.ones((len(logits), 1), np.float32)], axis=1)
    return int(np.linalg.matrix_rank(whole, tol=1e-3))
