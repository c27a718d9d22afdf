"""An engine in ten lines of numpy: one dense layer, so that a test can know the answer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_models.errors import InputError
from edge_models.manifest import OutputSpec
from edge_models.quantize import dequantize, quantize
from edge_models.tensors import QuantParams, TensorSpec

CODE = QuantParams(scale=1 / 16, zero_point=0)


class FakeEngine:
    """Answers ``flatten(x) @ weights`` under the name ``logits``; an ``edge_models.engines.port.Engine``."""

    name = "fake"
    runtime = "fake 1.0"
    executor = "fake"
    note = ""

    def __init__(self, shape: tuple[int, ...], weights: NDArray[np.float32], code: QuantParams | None = CODE) -> None:
        dtype = "float32" if code is None else "int8"
        self.input = TensorSpec(shape=shape, dtype=dtype, quant=code)  # type: ignore[arg-type]
        answer = TensorSpec(shape=(weights.shape[1],), dtype=dtype, quant=code)  # type: ignore[arg-type]
        self.outputs = (OutputSpec(name="logits", role="logits", spec=answer),)
        self._weights = weights
        self._closed = False

    def run(self, codes: NDArray[Any]) -> dict[str, NDArray[Any]]:
        if self._closed:
            raise RuntimeError("the engine is closed")
        if codes.shape != self.input.shape or codes.dtype != self.input.dtype:
            raise InputError(f"found {codes.dtype}{codes.shape}")
        answer = dequantize(codes, self.input).reshape(-1) @ self._weights
        return {"logits": quantize(answer.astype(np.float32), self.outputs[0].spec)}

    def close(self) -> None:
        self._closed = True
