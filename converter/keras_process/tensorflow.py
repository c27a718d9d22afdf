"""Import TensorFlow quickly and quietly."""

from __future__ import annotations

import logging
import os
import sys
import warnings

# Keras imports these for wrappers and plots that nothing here uses, and goes without them when they are missing: 3 of
# the 9 seconds of processor time that importing TensorFlow costs (measured, TensorFlow 2.21, Keras 3.15).
_NOT_NEEDED = ("matplotlib", "pandas", "sklearn")


def load_tensorflow() -> None:
    """Import TensorFlow and Keras without their notes; errors still reach standard error."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")  # the converter runs on the CPU
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # the same sums in the same order on every machine
    warnings.filterwarnings("ignore", module=r"(tensorflow|keras|google)\b.*")
    for name in ("tensorflow", "absl"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for name in _NOT_NEEDED:
        # None makes an import fail at once.
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
    import tensorflow as tf  # noqa: F401 - loaded for its effect: later imports cost nothing
