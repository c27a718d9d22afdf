"""Keep TensorFlow's and absl's notes off the user's terminal; must run before TensorFlow is imported."""

from __future__ import annotations

import logging
import os
import warnings


def quiet_tensorflow() -> None:
    """Ask TensorFlow's C++ part, absl and Python's warnings for errors only; what the user set already stands."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")  # the converter runs on the CPU
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # the same sums in the same order on every machine
    for name in ("tensorflow", "absl"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"(tensorflow|keras|google)\b.*")
