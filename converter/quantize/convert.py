"""From the trained model in the TensorFlow process to inspected .tflite files in the precisions that were asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from converter.errors import ModelError
from converter.keras_process.conversion import Convert
from converter.keras_process.process import KerasProcess
from converter.quantize.embedding import NONE, with_embedding
from converter.quantize.inspection import Inspection, inspect
from converter.recipe import Mode, QuantizeRecipe


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Conversion:
    """One graph in several precisions, as .tflite bytes.

    Attributes:
        float32: The reference that every other one is measured against; it is always made, with the answer alone.
        files: What was asked for, by mode; float32 is among them only when it was.
        inspections: What the graph of each file is made of, and who runs it, by mode.
        calibration_size: Examples that have set the ranges.
    """

    float32: bytes
    files: Mapping[Mode, bytes]
    inspections: Mapping[Mode, Inspection]
    calibration_size: int

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know about the files."""
        return tuple(warning for inspection in self.inspections.values() for warning in inspection.warnings)


def convert(
    keras: KerasProcess,
    recipe: QuantizeRecipe,
    calibration: NDArray[np.float32],
    *,
    keep_float: Sequence[str] = (),
    modes: Sequence[Mode] | None = None,
    name: str = "the model",
    embedding: str = NONE,
    restores: bool = False,
) -> Conversion:
    """Convert, and inspect what came out.

    Args:
        keras: Holds the trained model.
        recipe: Modes and how dense kernels are scaled.
        calibration: Preprocessed inputs (n, ...) float32 that set the ranges of the activations.
        keep_float: int8: layers that stay in floating point, as ``sensitive_layers`` names them.
        modes: In place of the recipe's mode and ``also``.
        name: What the model is called in errors: the user's file, or the recipe's network.
        embedding: Second output of each file: none, auto or a layer, as for ``with_embedding``.
        restores: Whether the model answers with a copy of its input.

    Raises:
        ConversionError: TensorFlow crashed or took too long, or a file is not what it was to be.
        ModelError: The model has an operator that cannot be converted to one of the modes.
    """
    wanted = tuple(dict.fromkeys(modes if modes is not None else (recipe.mode, *recipe.also)))
    message = Convert(
        calibration=keras.write(x=calibration),
        folder=str(keras.folder),
        modes=tuple(dict.fromkeys(("float32", *wanted))),
        keep_float=tuple(keep_float),
        dense=recipe.dense,
    )
    try:
        keras.do("converting", message)
        made = {mode: Path(keras.folder, f"{mode}.tflite").read_bytes() for mode in message.modes}
        float32 = made["float32"]
        files = {mode: with_embedding(made[mode], embedding, float32, restores=restores) for mode in wanted}
        inspections = {mode: inspect(files[mode], mode, keep_float if mode == "int8" else ()) for mode in wanted}
    except ModelError as exc:
        raise ModelError(f"{name}: {exc}") from exc
    return Conversion(
        float32=float32,
        files=MappingProxyType(files),
        inspections=MappingProxyType(inspections),
        calibration_size=len(calibration),
    )
