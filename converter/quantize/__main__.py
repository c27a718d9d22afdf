"""The conversion itself: ``python -m converter.quantize FOLDER``, started by ``child`` and by nobody else.

FOLDER holds ``saved_model/`` and ``calibration.npz`` (x, preprocessed float32); ``float.tflite`` and ``int8.tflite``
are written beside them. TensorFlow's converter can end its process (a rolled LSTM does), so nothing else lives here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.quiet import quiet_tensorflow
from edge_models.npz import read_npz

MAX_CALIBRATION_BYTES = 1 << 30


def main(folder: Path) -> None:
    """Convert twice: float32 for comparison, and static full int8."""
    quiet_tensorflow()
    calibration = read_npz(folder / "calibration.npz", max_bytes=MAX_CALIBRATION_BYTES, names=("x",))["x"]
    (folder / "float.tflite").write_bytes(_converted(folder / "saved_model", None))
    (folder / "int8.tflite").write_bytes(_converted(folder / "saved_model", calibration))


def _converted(saved_model: Path, calibration: NDArray[np.float32] | None) -> bytes:
    import tensorflow as tf

    converter: Any = tf.lite.TFLiteConverter.from_saved_model(str(saved_model), signature_keys=["serving_default"])
    if calibration is not None:

        def representative() -> Iterator[list[NDArray[np.float32]]]:
            for frame in calibration:
                yield [frame[None]]

        # Per-channel dense weights would need FULLY_CONNECTED 12 in some modes; per-tensor ones run everywhere.
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True  # noqa: SLF001
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = representative
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    data: bytes = converter.convert()
    return data


if __name__ == "__main__":
    main(Path(sys.argv[1]))
