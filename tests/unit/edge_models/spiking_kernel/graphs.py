"""Random graphs of every form that the format allows: several readers, inputs that skip layers, pools of pools, windows
larger than any network has, thresholds from 1 to beyond all sums.
"""

from __future__ import annotations

import numpy as np

from edge_models.spiking.network import Coding, Network, Neurons, Node, Pool, Readout, Shape, Synapses
from edge_models.spiking.shapes import output_shape
from edge_models.tensors import QuantParams, TensorSpec


def random_graph(seed: int, *, coding: Coding, steps: int) -> Network:
    """A network of two to eight nodes."""
    return _Graph(seed).network(coding, steps)


class _Graph:
    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.shapes: list[Shape] = [self._shape()]
        self.nodes: list[Node] = []

    def network(self, coding: Coding, steps: int) -> Network:
        for _ in range(self._int(1, 7)):
            if self.nodes and self._int(0, 3) == 0:
                self._pool()
            else:
                self._neurons()
        self._readout()
        zero_point = self._int(0, 255)
        spec = TensorSpec(shape=self.shapes[0], dtype="uint8", quant=QuantParams(scale=1.0, zero_point=zero_point))
        return Network(coding=coding, steps=steps, input=spec, input_shape=self.shapes[0], nodes=tuple(self.nodes))

    def _shape(self) -> Shape:
        if self._int(0, 4) == 0:
            return (self._int(33, 44), self._int(1, 3), 1)
        return (self._int(1, 7), self._int(1, 7), self._int(1, 5))

    def _neurons(self) -> None:
        source = self._int(0, len(self.nodes))
        first = self._synapses(source)
        shape = output_shape(first, self.shapes[source])
        synapses = [first]
        for other in range(len(self.shapes)):
            if self.shapes[other][:2] == shape[:2] and self._int(0, 2) == 0:
                weight = self._weight((1, 1, self.shapes[other][2], shape[2]))
                synapses.append(Synapses(source=other, kind="conv", weight=weight, shift=self._int(0, 3)))
        self._add(
            Neurons(
                name=f"n{len(self.nodes)}",
                shape=shape,
                synapses=tuple(synapses[:16]),
                bias=self.rng.integers(-3000, 5000, shape[2], dtype=np.int32),
                threshold=np.rint(10 ** self.rng.uniform(0, 5.5, shape[2])).astype(np.int32),
            )
        )

    def _synapses(self, source: int) -> Synapses:
        height, width, channels = self.shapes[source]
        kind = self._int(0, 4)
        if kind == 0:
            units = self._int(1, 40)
            return Synapses(source=source, kind="dense", weight=self._weight((height * width * channels, units)))
        rows, columns = self._int(1, height), self._int(1, width)
        padding = (self._int(0, rows - 1), self._int(0, rows - 1), self._int(0, columns - 1), self._int(0, columns - 1))
        stride, shift = (self._int(1, 3), self._int(1, 3)), self._int(0, 2)
        if kind == 1:
            weight = self._weight((rows, columns, channels))
            return Synapses(source=source, kind="depthwise", weight=weight, stride=stride, padding=padding, shift=shift)
        weight = self._weight((rows, columns, channels, self._int(1, 70)))
        return Synapses(source=source, kind="conv", weight=weight, stride=stride, padding=padding, shift=shift)

    def _pool(self) -> None:
        source = self._int(1, len(self.nodes))
        height, width, channels = self.shapes[source]
        size = (self._int(1, height), self._int(1, width))
        stride = (self._int(1, 3), self._int(1, 3))
        shape = ((height - size[0]) // stride[0] + 1, (width - size[1]) // stride[1] + 1, channels)
        self._add(Pool(name=f"p{len(self.nodes)}", shape=shape, source=source, size=size, stride=stride))

    def _readout(self) -> None:
        source, classes = self._int(1, len(self.nodes)), self._int(1, 20)
        weight = self._weight((int(np.prod(self.shapes[source])), classes))
        bias = self.rng.integers(-3000, 5000, classes, dtype=np.int32)
        synapses = (Synapses(source=source, kind="dense", weight=weight),)
        self._add(Readout(name="readout", shape=(1, 1, classes), synapses=synapses, bias=bias, scale=0.5))

    def _add(self, node: Node) -> None:
        self.nodes.append(node)
        self.shapes.append(node.shape)

    def _weight(self, shape: tuple[int, ...]) -> np.ndarray[tuple[int, ...], np.dtype[np.int8]]:
        return self.rng.integers(-128, 128, shape, dtype=np.int8)

    def _int(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))
