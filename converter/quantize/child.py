"""Start the conversion in a child process and bring its files back; a crash there is an error here."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.errors import ConversionError
from edge_models.npz import write_npz

TIMEOUT_S = 1800.0
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """The same graph in two precisions, as .tflite bytes."""

    float32: bytes
    int8: bytes


def convert(model: Any, calibration: NDArray[np.float32], *, timeout_s: float = TIMEOUT_S) -> Converted:  # noqa: ANN401
    """Convert a Keras model.

    Args:
        model: ``keras.Model`` with one input.
        calibration: Preprocessed inputs (n, ...) that set the ranges of the activations.
        timeout_s: Bound on the child process.

    Raises:
        ConversionError: TensorFlow refused the model, crashed, or took too long.
    """
    import keras

    shape = tuple(model.input_shape[1:])
    signature = [keras.InputSpec(shape=(1, *shape), dtype="float32", name="x")]  # batch 1: no reshaping
    with tempfile.TemporaryDirectory(prefix="driftline-convert-") as name:
        folder = Path(name)
        model.export(folder / "saved_model", format="tf_saved_model", input_signature=signature, verbose=False)
        (folder / "calibration.npz").write_bytes(write_npz({"x": calibration.astype(np.float32)}))
        run_child([sys.executable, "-m", "converter.quantize", str(folder)], timeout_s=timeout_s)
        return Converted(float32=(folder / "float.tflite").read_bytes(), int8=(folder / "int8.tflite").read_bytes())


def run_child(arguments: list[str], *, timeout_s: float) -> None:
    """Run a process to its end; it dies with us.

    Raises:
        ConversionError: It failed, crashed or took too long.
    """
    child = subprocess.Popen(
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=_die_with_parent,  # noqa: PLW1509 - one system call, no lock can be held across it
    )
    try:
        _, said = child.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired as exc:
        raise ConversionError(f"the conversion took more than {timeout_s:g} s; try a smaller model") from exc
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
    if child.returncode < 0:
        name = signal.Signals(-child.returncode).name
        raise ConversionError(f"the conversion crashed ({name}); recurrent layers need unroll=True")
    if child.returncode:
        lines = [line for line in said.decode(errors="replace").splitlines() if line.strip()]
        raise ConversionError(f"the conversion failed: {lines[-1].strip()[:300] if lines else 'no message'}")


def _die_with_parent() -> None:
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == 1:  # the parent died before the call
            os._exit(1)
