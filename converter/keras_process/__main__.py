"""The TensorFlow process: ``python -m converter.keras_process``, started by ``process`` and by nobody else.

Orders come on standard input, answers go to what was standard output; all that TensorFlow, Keras and their C++ parts
print goes to standard error, which the parent keeps in a file.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

from converter.keras_process.bench import Answer, Bench, RefusedModelError
from converter.keras_process.messages import HANDLERS, MAX_LINE_BYTES, Order
from converter.keras_process.tensorflow import load_tensorflow
from edge_models.fields import canonical_json, decode_json


def main(load: Callable[[], None] = load_tensorflow) -> None:
    """Load TensorFlow, then serve orders until standard input ends.

    Args:
        load: Imports TensorFlow, and the Keras that the orders are to use.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole terminal; the parent ends this process
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    load()
    bench = Bench()
    for line in sys.stdin.buffer:
        order = decode_json(Order, line, max_bytes=MAX_LINE_BYTES)
        try:
            answer = HANDLERS[type(order.do)](bench, order.do)
        except RefusedModelError as exc:
            answer = Answer(refused=str(exc))
        except Exception as exc:  # noqa: BLE001 - TensorFlow raises anything; the parent makes its own error of it
            answer = Answer(error=f"{type(exc).__name__}: {' '.join(str(exc).split())[:300]}")
        answers.write(canonical_json(answer))


if __name__ == "__main__":
    main()
