"""The Keras 3 side: a trained model written down layer by layer."""
# ruff: noqa: ANN401 - Keras is loaded late, so its models and layers have no static type here

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from numpy.typing import NDArray

from converter.keras_process.bench import RefusedModelError
from converter.qat.description import KEPT, Description, LayerStep
from edge_models.fields import canonical_json
from edge_models.npz import write_npz

_INPUT = -1


def described_model(model: Any) -> tuple[bytes, bytes]:
    """A Description as JSON, and its weights as npz.

    Raises:
        RefusedModelError: It has a layer that cannot be simulated, or uses one twice.
    """
    writer = _Writer()
    (last,) = writer.add(model, [_INPUT])
    if last != len(writer.steps) - 1:
        raise RefusedModelError(
            "quantize.qat: the model's output is not that of its last layer; leave quantize.qat out"
        )
    document = Description(shape=tuple(model.input_shape[1:]), steps=tuple(writer.steps))
    return canonical_json(document), write_npz(writer.weights)


class _Writer:
    """Collects steps and weights."""

    def __init__(self) -> None:
        self.steps: list[LayerStep] = []
        self.weights: dict[str, NDArray[Any]] = {}

    def add(self, model: Any, given: Sequence[int]) -> list[int]:
        """The steps of a model, and of the models inside it; the numbers of those that make its outputs."""
        import keras

        functional = model._functional if isinstance(model, keras.Sequential) else model  # noqa: SLF001
        config = functional.get_config()
        made: dict[str, list[int]] = {}
        for name, sources in zip(_names(config["input_layers"]), given, strict=True):
            made[name] = [sources]
        for entry in config["layers"]:
            if entry["name"] not in made:
                layer = functional.get_layer(entry["name"])
                made[entry["name"]] = self._layer(layer, entry, made)
        return [made[name][0] for name in _names(config["output_layers"])]

    def _layer(self, layer: Any, entry: dict[str, Any], made: dict[str, list[int]]) -> list[int]:
        import keras

        if len(entry["inbound_nodes"]) != 1:
            raise RefusedModelError(f"quantize.qat: layer {layer.name} is used twice; leave quantize.qat out")
        inputs = [made[name][place] for name, place in _histories(entry["inbound_nodes"])]
        if isinstance(layer, keras.Model):
            return self.add(layer, inputs)
        kind = type(layer).__name__
        if kind not in KEPT:
            raise RefusedModelError(
                f"quantize.qat: layer {layer.name} is a {kind}, which cannot be simulated; use "
                f"{', '.join(sorted(KEPT))}, or leave quantize.qat out"
            )
        number = len(self.steps)
        config = layer.get_config()
        arrays = layer.get_weights()
        self.weights.update({f"{number}.{i}": array for i, array in enumerate(arrays)})
        self.steps.append(
            LayerStep(
                name=layer.name,
                kind=kind,
                config=json.dumps({key: config[key] for key in KEPT[kind]}),
                inputs=tuple(inputs),
                weights=len(arrays),
            )
        )
        return [number]


def _names(tensors: Any) -> list[str]:
    """Names of the layers of [name, node, place], or of a list of those."""
    if tensors and isinstance(tensors[0], str):
        return [tensors[0]]
    return [name for name, *_ in tensors]


def _histories(nodes: Any) -> Iterator[tuple[str, int]]:
    """Layer and place of each tensor among a layer's arguments, in order."""
    if isinstance(nodes, dict) and nodes.get("class_name") == "__keras_tensor__":
        name, _, place = nodes["config"]["keras_history"]
        yield name, place
    elif isinstance(nodes, dict):
        for value in nodes.values():
            yield from _histories(value)
    elif isinstance(nodes, (list, tuple)):
        for value in nodes:
            yield from _histories(value)
