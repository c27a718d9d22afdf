"""The embedding output: what the last dense layer reads, shown beside the answer.

Drift is seen in it before it is seen in the answers, and a head on the device learns from it. The tensor exists in
every conversion of the model; it only has to be named as an output (``converter.quantize.outputs``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from converter.errors import ModelError
from converter.quantize.graph import CASTS, operator_names
from converter.quantize.outputs import with_output
from converter.quantize.schema import unpacked

AUTO: Final = "auto"
NONE: Final = "none"
MAX_EMBEDDING = 512
"""Numbers of an embedding: a device reads it and stores some with every frame that it may be told the label of."""

_RESHAPES = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
_ENDS = (*CASTS, *_RESHAPES, "SOFTMAX", "LOGISTIC")  # between the last dense layer and the answer
_DENSE = ("FULLY_CONNECTED", "CONV_2D")  # a convolution of one pixel is a dense layer, too
_SHOWN = 6  # layers in a message
FROZEN: Final = "graph"
"""Name of the layer that holds the graph of a SavedModel (``converter.keras_process.frozen_graph``)."""
_NUMBERED = re.compile(r"_\d+$")  # an export of Keras appends a number to the name of every layer


def with_embedding(data: bytes, layer: str, reference: bytes, *, restores: bool = False) -> bytes:
    """The file with the embedding as its last output; as it is where it has none.

    Args:
        data: A .tflite file with one output.
        layer: ``auto`` for what the last dense layer reads, ``none``, or the name of a layer.
        reference: The float32 file of the same model, whose tensors carry the names of all layers.
        restores: Whether the answer is a copy of the input: then ``auto`` is what the narrowest dense layer gives.

    Raises:
        ModelError: There is no such layer in the file, or it has too many numbers; the text names those that will do.
    """
    if layer == NONE:
        return data
    graph = _Graph(data)
    if layer == AUTO:
        tensor = graph.narrowest() if restores else graph.read_by_last_dense()
    else:
        tensor = graph.of_layer(layer, _Graph(reference))
    return data if tensor is None else with_output(data, tensor, "embedding")


@dataclass(frozen=True, slots=True)
class _Operator:
    name: str
    inputs: tuple[int, ...]
    output: int


class _Graph:
    """The main graph of a file, as operators and the tensors between them."""

    def __init__(self, data: bytes) -> None:
        model = unpacked(data)
        main, codes = model.subgraphs[0], operator_names(model)
        self._tensors: Any = main.tensors
        self._inputs = {int(i) for i in main.inputs}
        self._answer = int(main.outputs[0])
        self._operators = [
            _Operator(codes[one.opcodeIndex], tuple(map(int, one.inputs)), int(one.outputs[0]))
            for one in main.operators
        ]
        self._makers = {operator.output: operator for operator in self._operators}

    def read_by_last_dense(self) -> int | None:
        """What the dense layer before the answer reads, if it is small, computed, and stored as the answer is."""
        tensor = self._answer
        for operator in self._backwards(tensor):
            if operator.name in _DENSE and self._size(operator.inputs[0]) > 1:
                return self._shown(operator.inputs[0])
            if operator.name not in (*_ENDS, *_DENSE):  # of one number a dense layer makes two: look before it
                return None
        return None

    def narrowest(self) -> int | None:
        """The smallest tensor between two dense layers."""
        read = [one.inputs[0] for one in self._operators if one.name in _DENSE]
        computed = [tensor for tensor in read if not self._is_given(tensor)]
        return self._shown(min(computed, key=self._size)) if computed else None

    def of_layer(self, layer: str, named: _Graph) -> int:
        """The output of a layer, by its name in another file of the same model."""
        place = named._place_of(layer)
        ours, theirs = self._working(), named._working()
        if [one.name for one in ours] != [one.name for one in theirs]:
            raise ModelError(f"embedding: layer {layer} cannot be followed into this precision; choose auto or none")
        found, size = self._shown(ours[place].output), self._size(ours[place].output)
        if found is None:
            wanted = f"a layer that is computed and has at most {MAX_EMBEDDING} numbers, such as one after pooling"
            raise ModelError(f"embedding: layer {layer} gives {size} numbers, expected {wanted}")
        return found

    def _place_of(self, layer: str) -> int:
        """Number of the last operator that belongs to the layer, casts left out."""
        layers = [self._layers(operator.output) for operator in self._working()]
        places = [place for place, names in enumerate(layers) if layer in names]
        if not places:
            known = dict.fromkeys(name for names in layers for name in names)
            shown = ", ".join(list(known)[-_SHOWN:])
            raise ModelError(f"embedding: found no layer {layer} in the model, expected auto, none or one of {shown}")
        return places[-1]

    def _layers(self, tensor: int) -> list[str]:
        """Names of the layers, and of the models in the model, that are fused in what computes a tensor."""
        name: bytes = self._tensors[tensor].name
        paths = [part.strip().split("/")[1:-1] for part in name.decode(errors="replace").split(";")]
        return [name for path in paths for name in _unnumbered(path)]

    def _working(self) -> list[_Operator]:
        return [operator for operator in self._operators if operator.name not in CASTS]

    def _backwards(self, tensor: int) -> Iterator[_Operator]:
        """What computes a tensor, then what computes the first input of that, and so on."""
        for _ in self._operators:  # a damaged file may go round in circles
            operator = self._makers.get(tensor)
            if operator is None:
                return
            yield operator
            tensor = operator.inputs[0]

    def _shown(self, tensor: int) -> int | None:
        """The tensor in the type of the answer, if it can be an output."""
        if self._is_given(tensor) or tensor == self._answer or self._size(tensor) > MAX_EMBEDDING:
            return None
        type_of_answer = self._tensors[self._answer].type
        maker = self._makers[tensor]
        before = maker.inputs[0] if maker.name in CASTS else tensor
        return next((one for one in (tensor, before) if self._tensors[one].type == type_of_answer), None)

    def _is_given(self, tensor: int) -> bool:
        """Whether a tensor is the input in another shape, or a constant: what nothing has been learnt about."""
        return all(operator.name in (*CASTS, *_RESHAPES) for operator in self._backwards(tensor))

    def _size(self, tensor: int) -> int:
        return math.prod(map(int, self._tensors[tensor].shape))


def _unnumbered(path: list[str]) -> list[str]:
    """Names of layers as the model has them; those of a graph that TensorFlow has frozen are not numbered again.

    Examples:
        >>> _unnumbered(["conv2d_1_2"]), _unnumbered(["graph_1", "dense_1"])
        (['conv2d_1'], ['graph', 'dense_1'])
    """
    frozen = next((depth for depth, name in enumerate(path) if _NUMBERED.sub("", name) == FROZEN), len(path))
    return [_NUMBERED.sub("", name) for name in path[: frozen + 1]] + path[frozen + 1 :]
