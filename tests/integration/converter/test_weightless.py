"""With Keras 3 a file converted from a concrete function has no weights: the look into the graph must notice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from converter.errors import ConversionError
from converter.quantize.inspection import inspect
from tests.architecture.tree import ROOT

pytestmark = pytest.mark.integration

# Run in a process of its own, as all of TensorFlow here.
TRAP = """
import pathlib, sys
from converter.keras_process.tensorflow import load_tensorflow
load_tensorflow()
import tensorflow as tf
import keras

model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(64, activation="relu"), keras.layers.Dense(10)])
function = tf.function(lambda x: model(x)).get_concrete_function(tf.TensorSpec((1, 64), tf.float32))
converter = tf.lite.TFLiteConverter.from_concrete_functions([function], model)
pathlib.Path(sys.argv[1]).write_bytes(converter.convert())
"""


def test_a_file_without_weights_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "trap.tflite"
    subprocess.run([sys.executable, "-c", TRAP, str(path)], cwd=ROOT, check=True, capture_output=True)

    assert path.stat().st_size < 8000  # 64 x 64 weights alone are 16 KB
    with pytest.raises(ConversionError, match=r"the graph holds VAR_HANDLE, READ_VARIABLE and not the weights; freeze"):
        inspect(path.read_bytes(), "float32")
