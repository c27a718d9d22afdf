"""Order that reads the model as a network of linear maps and rectifiers, and how it is carried out."""
# ruff: noqa: ANN401 - Keras is loaded late, so its models have no static type here

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from converter.keras_process.bench import Answer, Bench, RefusedModelError
from converter.keras_process.spiking.graph import Graph
from converter.keras_process.spiking.layers import applied
from converter.keras_process.spiking.values import Linear, Signal, Value
from converter.spiking.float_archive import to_npz
from converter.spiking.float_network import FloatNetwork
from edge_models.fields import described

MaxPooling = Literal["refuse", "strided"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractSpiking:
    """Fold batch normalisation and write the network."""

    op: Literal["extract_spiking"] = described("Name of the message.", default="extract_spiking")
    max_pooling: MaxPooling = described("Whether strided convolutions take the place of maximum pooling.")
    result: str = described("npz to write, of converter.spiking.float_archive.")


def extract_spiking(bench: Bench, message: ExtractSpiking) -> Answer:
    """Write the network that the model is."""
    Path(message.result).write_bytes(to_npz(float_network(bench.model, message.max_pooling)))
    return Answer()


def float_network(model: Any, max_pooling: MaxPooling) -> FloatNetwork:
    """The network of a Keras model.

    Raises:
        RefusedModelError: A layer has no form in spikes; names it and what would do.
    """
    if getattr(model, "_functional", None) is None and not hasattr(model, "_nodes_by_depth"):
        raise RefusedModelError(
            "spiking: the model is a SavedModel or a subclass, whose layers cannot be read; bring the .keras file that "
            "it was made from"
        )
    graph = Graph(tuple(model.inputs[0].shape[1:]), is_strided=max_pooling == "strided")
    return graph.network(_run(graph, model, graph.input()))


def _run(graph: Graph, model: Any, value: Value) -> Value:
    """Go through a model, also one that is a layer of another."""
    import keras

    def operation(layer: Any) -> Any:
        def called(*args: Any, **kwargs: Any) -> Value:
            values = [one for one in keras.tree.flatten((args, kwargs)) if isinstance(one, Signal | Linear)]
            if isinstance(layer, keras.Model):
                return _run(graph, layer, values[0])
            return applied(graph, layer, values)

        return called

    functional = getattr(model, "_functional", None) or model  # a Sequential model holds one
    outputs = functional._run_through_graph([value], operation_fn=operation)  # noqa: SLF001 - Keras' own walk
    found: Value = keras.tree.flatten(outputs)[0]
    return found
