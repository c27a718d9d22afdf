"""Whether a .tflite file is what its mode promises: the check between TensorFlow and a bundle.

TensorFlow reports success for files that keep float islands, hold no weights, or were not quantised at all.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from converter.errors import ConversionError, ModelError
from converter.quantize.graph import CASTS, Graph, read_graph, runtimes_for
from converter.recipe import Mode

_STATEFUL = ("VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE")
_BORDER: dict[Mode, str] = {
    "int8": "int8",
    "int16x8": "int16",
    "float32": "float32",
    "float16": "float32",
    "dynamic": "float32",
}
_WEIGHTS: dict[Mode, str] = {"int8": "int8", "int16x8": "int8", "float16": "float16", "dynamic": "int8"}
_MIN_WEIGHT_SHARE = 0.9  # of the bytes in constant tensors, biases and shapes left out
_SHOWN_ISLANDS = 3
_WITH_KERNEL = ("conv", "matmul")  # ends of the names of the operators that give a fused one its layer


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What was found in a file that passed.

    Attributes:
        graph: Its operators and tensors.
        runtimes: Who loads every operator of it in its version.
        float_ops: Types of the operators that were allowed to stay float in a quantised file, for the manifest.
        warnings: Sentences for the user.
    """

    graph: Graph
    runtimes: tuple[str, ...]
    float_ops: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def inspect(data: bytes, mode: Mode, float_layers: Collection[str] = ()) -> Inspection:
    """Hold a converted file against its mode.

    Args:
        data: The file.
        mode: What it was to become.
        float_layers: Output tensors of the operators that may be float in a quantised file.

    Raises:
        ConversionError: It is something else.
        ModelError: The model has operators that stay float, or that no runtime loads; the text says what to do.
        UnsupportedArtifactError: The file is damaged.
    """
    graph = read_graph(data)
    stateful = [name for name in _STATEFUL if name in graph.ops]
    if stateful:
        raise ConversionError(f"the graph holds {', '.join(stateful)} and not the weights; freeze the model first")
    _check_border(graph, mode)
    if mode in ("int8", "int16x8"):
        _check_islands(graph, frozenset(float_layers))
    return Inspection(
        graph=graph,
        runtimes=_runtimes(graph),
        float_ops=tuple(sorted({op for name, op in graph.float_layers.items() if _listed(name, float_layers)})),
        warnings=_weight_warnings(graph, mode, float_layers),
    )


def _runtimes(graph: Graph) -> tuple[str, ...]:
    try:
        return runtimes_for(graph)
    except ConversionError as exc:
        raise ModelError(str(exc)) from exc


def _check_border(graph: Graph, mode: Mode) -> None:
    wanted = _BORDER[mode]
    if set(graph.input_dtypes) != {wanted} or set(graph.output_dtypes) != {wanted}:
        found = f"input {', '.join(graph.input_dtypes)} and output {', '.join(graph.output_dtypes)}"
        raise ConversionError(f"the graph has {found}, expected {wanted}; it was not converted to {mode}")


def _check_islands(graph: Graph, allowed: frozenset[str]) -> None:
    islands = {name: op for name, op in graph.float_layers.items() if not _listed(name, allowed)}
    if islands:
        places = ", ".join(f"{op} ({layer_name(name)})" for name, op in list(islands.items())[:_SHOWN_ISLANDS])
        more = f" and {len(islands) - _SHOWN_ISLANDS} more" if len(islands) > _SHOWN_ISLANDS else ""
        raise ModelError(
            f"operators {places}{more} stayed in floating point; replace these layers, or use quantize.mode float16"
        )
    if not allowed and (casts := [name for name in graph.float_ops if name in CASTS]):
        raise ModelError(f"operators {', '.join(casts)} stayed in floating point; replace the layers beside them")


def _listed(name: str, layers: Collection[str]) -> bool:
    """Whether a tensor is one of these: TensorFlow appends digits to a name that it uses twice, as for an output."""
    return any(name.startswith(layer) and (name == layer or name[len(layer) :].isdigit()) for layer in layers)


def _weight_warnings(graph: Graph, mode: Mode, float_layers: Collection[str]) -> tuple[str, ...]:
    """Refuse a file whose weights were not converted; warn where TensorFlow leaves a part of them."""
    wanted = _WEIGHTS.get(mode)
    if wanted is None:
        return ()
    share = graph.weight_share(wanted, [name for name in graph.float_layers if _listed(name, float_layers)])
    if share >= _MIN_WEIGHT_SHARE:
        return ()
    if mode != "dynamic":
        raise ConversionError(
            f"only {share:.0%} of the weights are {wanted}, expected 90 %; replace the layers of the rest"
        )
    small = "TensorFlow leaves tensors of fewer than 1,024 values as they are"
    if share == 0:
        raise ModelError(f"dynamic: nothing was quantised, {small}; use quantize.mode int8 or float16")
    return (f"dynamic: only {share:.0%} of the weight bytes are int8, {small}; int8 or float16 would take all",)


def layer_name(tensor: str) -> str:
    """The layer that an operator's output tensor belongs to, for people.

    Examples:
        >>> layer_name("functional_1/re_lu_1_2/Relu;functional_1/conv2d_1_2/convolution")
        'conv2d_1_2'
        >>> layer_name("StatefulPartitionedCall_1:0")
        'output'
    """
    parts = [part.strip().split("/") for part in tensor.split(";") if part.strip()]
    named = [part for part in parts if len(part) > 1]
    if not named:
        return "output" if tensor.startswith(("StatefulPartitionedCall", "Identity")) else tensor
    with_kernel = [part for part in named if any(word in part[-1].lower() for word in _WITH_KERNEL)]
    return (with_kernel or named)[0][-2]
