"""What TensorFlow cannot convert, said in one line with the remedy, before or after it has tried."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from converter.keras_process.bench import RefusedModelError
from converter.quantize.graph import read_graph
from converter.recipe.quantize import Mode

STATIC: tuple[Mode, ...] = ("int8", "int16x8")
"""Modes that need calibration."""

_NO_16X8 = re.compile(r"16x8-bit not yet supported for op: '(\w+)'")
_OTHER_OPS = re.compile(r"(Flex|Custom) ops: ([\w, ]+)")
_ILLEGAL = re.compile(r"'tf\.(\w+)' op")
_USED_BY = {"NEG": "LayerNormalization", "HARD_SWISH": "hard_swish"}


def refuse_loops(model: Any) -> None:  # noqa: ANN401 - a Keras model
    """Refuse recurrent layers that run as a loop: quantising one ends the process with SIGSEGV (TensorFlow 2.21).

    Raises:
        RefusedModelError: Naming the layers.
    """
    import keras

    rolled = [
        layer.name
        for layer in model._flatten_layers()  # noqa: SLF001 - those inside of others, too
        if isinstance(layer, keras.layers.RNN) and not layer.unroll
    ]
    if rolled:
        raise RefusedModelError(
            f"found rolled recurrent layers ({', '.join(rolled)}), whose loop cannot be quantised; build them with "
            "unroll=True, or use quantize.mode float16"
        )


def refuse_loop(float32: bytes) -> None:
    """Refuse a graph with a loop, whatever made it: the same for models whose layers are not known.

    Raises:
        RefusedModelError: There is one.
    """
    if "WHILE" in read_graph(float32).ops:
        raise RefusedModelError(
            "found a loop (operator WHILE, as of a rolled LSTM), which cannot be quantised; unroll it, or use "
            "quantize.mode float16"
        )


@contextmanager
def explained(mode: Mode) -> Iterator[None]:
    """Say what TensorFlow's error means, where it is the model's fault.

    Raises:
        RefusedModelError: The model has an operator that TFLite lacks, or lacks in this mode.
    """
    try:
        yield
    except Exception as exc:
        refusal = refusal_of(str(exc), mode)
        if refusal is None:
            raise
        raise RefusedModelError(refusal) from exc


def refusal_of(text: str, mode: Mode) -> str | None:
    """What an error of TensorFlow's converter means for the owner of the model; None when it is none of the known.

    Examples:
        >>> refusal_of("Quantization to 16x8-bit not yet supported for op: 'NEG'.", "int16x8")
        'operator NEG (as in LayerNormalization) cannot be converted to int16x8; use quantize.mode int8 or float16'
    """
    if missing := list(dict.fromkeys(_NO_16X8.findall(text))):
        shown = ", ".join(f"{name} (as in {_USED_BY[name]})" if name in _USED_BY else name for name in missing)
        return f"operator {shown} cannot be converted to {mode}; use quantize.mode int8 or float16"
    if found := _OTHER_OPS.search(text):
        names = ", ".join(name.removeprefix("Flex") for name in found[2].split(", "))
    elif illegal := sorted(set(_ILLEGAL.findall(text))):
        names = ", ".join(illegal)
    else:
        return None
    return f"TFLite has no operator for {names}; replace these layers, or compute them in input.preprocess"
