"""The weights of an int8 .tflite file where they lie, so that a copy of it can be damaged on purpose."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.quantize.schema import dtype_names, generated
from converter.spiking.faults import Layer
from edge_models.engines.flatbuffer import check_tflite
from edge_models.engines.opversions import op_name

_OUT_AXIS = {"CONV_2D": 0, "FULLY_CONNECTED": 0, "DEPTHWISE_CONV_2D": 3}


def int8_layers(file: bytearray) -> list[Layer]:
    """The layers with int8 weights, in the order of the graph; what is written to them changes ``file``.

    Args:
        file: A .tflite file; checked to be whole.

    Returns:
        Empty for a file without int8 weights, such as a float one.

    Raises:
        UnsupportedArtifactError: The file is damaged.
    """
    check_tflite(bytes(file))
    model = generated().Model.GetRootAs(file, 0)
    graph = model.Subgraphs(0)
    dtypes = dtype_names()
    layers = []
    for number in range(graph.OperatorsLength()):
        operator = graph.Operators(number)
        code = model.OperatorCodes(operator.OpcodeIndex())
        axis = _OUT_AXIS.get(op_name(max(code.BuiltinCode(), code.DeprecatedBuiltinCode())))
        if axis is None or dtypes[graph.Tensors(operator.Inputs(1)).Type()] != "int8":
            continue
        weight = _stored(model, graph, operator.Inputs(1), np.int8)
        if weight is None:
            continue
        bias = _stored(model, graph, operator.Inputs(2), np.int32) if operator.InputsLength() > 2 else None
        layers.append(Layer(weight=np.moveaxis(weight, axis, 0), bias=bias))
    return layers


def _stored(model: Any, graph: Any, index: int, dtype: type[np.generic]) -> NDArray[Any] | None:  # noqa: ANN401
    """A constant tensor as an array over the file's own bytes; None for one that is computed or absent."""
    if index < 0:
        return None
    tensor = graph.Tensors(index)
    stored = model.Buffers(tensor.Buffer()).DataAsNumpy()
    if isinstance(stored, int):  # what the generated class gives for no data
        return None
    values: NDArray[Any] = stored.view(dtype).reshape(tensor.ShapeAsNumpy())
    return values
