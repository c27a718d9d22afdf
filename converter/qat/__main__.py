"""The Keras 2 process: ``python -m converter.qat`` in ``.venv-qat``, started by ``converter.qat.training``.

It is the TensorFlow process again, with the same orders for learning; what they import as ``keras`` is Keras 2 here.
"""

from __future__ import annotations

import os
import sys

from converter.keras_process.__main__ import main
from converter.keras_process.tensorflow import load_tensorflow


def load_keras2() -> None:
    """Import TensorFlow with Keras 2 in the place of Keras 3."""
    os.environ["TF_USE_LEGACY_KERAS"] = "1"  # read by TensorFlow and by tensorflow-model-optimization
    load_tensorflow()
    import tf_keras

    sys.modules["keras"] = tf_keras


if __name__ == "__main__":
    main(load_keras2)
