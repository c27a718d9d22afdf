"""Quantisation-aware training as the program sees it: the trained model goes in, an int8 file comes out."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from converter.errors import ConversionError
from converter.keras_process.process import KerasProcess
from converter.progress import Progress
from converter.qat.environment import qat_command
from converter.qat.orders import Describe, Finish, Rebuild, Simulate
from converter.recipe import QatRecipe, TrainingRecipe
from converter.training.fit import Curve, Stage, fit
from converter.training.inputs import Inputs
from converter.training.mix import EpochSource

_COMPARED = 32  # validation inputs that the rebuilt model must answer as the original does
_SAME = 1e-3  # of the largest output: the two versions of Keras order their sums differently


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class QatResult:
    """What came of it.

    Attributes:
        int8: .tflite file, int8 in and out; not inspected yet.
        curve: Of the epochs with simulated rounding.
    """

    int8: bytes
    curve: Curve


def train_quantised(
    keras: KerasProcess,
    recipe: QatRecipe,
    training: TrainingRecipe,
    epochs: EpochSource,
    validation: tuple[NDArray[np.float32], NDArray[np.int64]],
    preprocess: Inputs,
    progress: Progress,
    stage: Stage = Stage(name="qat"),  # noqa: B008 - frozen
    *,
    command: tuple[str, ...] | None = None,
) -> QatResult:
    """Train on with simulated int8, from the weights of the trained model, which itself stays as it is.

    Args:
        keras: Holds the trained model.
        recipe: Epochs and learning rate.
        training: Batch, balance and seed; the rest is for the training before.
        epochs: Makes the frames of each epoch, as for the training before.
        validation: Preprocessed inputs and classes to watch it on.
        preprocess: From frames to inputs.
        progress: Told after each epoch.
        stage: Loss, and name of the progress.
        command: How the Keras 2 process is started; as in ``.venv-qat`` when left out.

    Raises:
        RecipeError: The environment is missing.
        ModelError: The model has a layer that cannot be simulated.
        ConversionError: A process failed, or the rebuilt model answers otherwise.
    """
    command = command or qat_command()
    progress.step(stage.name, 0, recipe.epochs, "loading TensorFlow with Keras 2")
    description, weights = keras.folder / "qat.json", keras.folder / "qat.npz"
    keras.do("describing the network", Describe(description=str(description), weights=str(weights)))
    schedule = dataclasses.replace(
        training,
        epochs=recipe.epochs,
        learning_rate=recipe.learning_rate,
        label_smoothing=0.0,
        l1=0.0,
        l2=0.0,
        patience=None,
    )
    with KerasProcess(command=command) as second:
        message = Rebuild(description=str(description), weights=str(weights), seed=training.seed)
        second.do("rebuilding the network", message)
        _check_same(keras, second, validation[0][:_COMPARED])
        second.do("simulating int8", Simulate())
        curve = fit(second, epochs, validation, preprocess, schedule, progress, stage)
        file = second.folder / "qat.tflite"
        second.do("converting", Finish(int8=str(file)))
        return QatResult(int8=file.read_bytes(), curve=curve)


def _check_same(keras: KerasProcess, second: KerasProcess, inputs: NDArray[np.float32]) -> None:
    expected, found = keras.logits(inputs), second.logits(inputs)
    difference, allowed = float(np.abs(expected - found).max()), _SAME * float(np.abs(expected).max())
    if not difference <= allowed:
        raise ConversionError(
            f"the network rebuilt for quantisation-aware training differs by {difference:.2e}, expected at most "
            f"{allowed:.2e}; leave quantize.qat out"
        )
