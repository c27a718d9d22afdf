"""Look into a .tflite file: which operators in which versions, which tensors, and which runtimes load it.

``requires`` of an artifact comes from here: the measured limits of each runtime (``edge_models.engines.opversions``),
held against the operators found. The file's own ``min_runtime_version`` is wrong too often to be used.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from converter.errors import ConversionError
from converter.quantize.schema import dtype_names, unpacked
from edge_models.engines.flatbuffer import check_tflite
from edge_models.engines.opversions import CUSTOM, op_name, too_new
from edge_models.engines.registry import TFLITE_RUNTIMES

CASTS = ("QUANTIZE", "DEQUANTIZE")
_FLOATS = ("float16", "float32", "float64", "bfloat16")
_NO_WEIGHTS = ("int32", "int64")  # biases and shapes


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """What a file is made of.

    Attributes:
        ops: Highest version of each operator; a custom one is called ``CUSTOM:its name``.
        float_ops: Types of the operators with a floating-point output.
        float_layers: Type of each such operator by the name of its output tensor, casts left out.
        input_dtypes: Of the inputs.
        output_dtypes: Of the outputs.
        output_ops: What computes each output, casts and reshapes left out; empty for an output that nothing computes.
        weight_bytes: Bytes of constants by type, biases and shapes left out.
        float_weights: Bytes of float constants that an operator reads, by the name of its output tensor.
    """

    ops: dict[str, int]
    float_ops: tuple[str, ...]
    float_layers: dict[str, str]
    input_dtypes: tuple[str, ...]
    output_dtypes: tuple[str, ...]
    output_ops: tuple[str, ...]
    weight_bytes: dict[str, int]
    float_weights: dict[str, int]

    def weight_share(self, dtype: str, without: Collection[str] = ()) -> float:
        """Share of the bytes of weights that are of this type.

        Args:
            dtype: Such as int8.
            without: Output tensors of operators whose float weights do not count.
        """
        total = sum(self.weight_bytes.values()) - sum(self.float_weights.get(name, 0) for name in without)
        return self.weight_bytes.get(dtype, 0) / max(total, 1)


def read_graph(data: bytes) -> Graph:
    """Inspect a .tflite file: the operators of all its graphs, the tensors at the border of the main one.

    Raises:
        UnsupportedArtifactError: The file is damaged.
    """
    check_tflite(data)
    dtypes = dtype_names()
    model = unpacked(data)
    codes = operator_names(model)
    ops: dict[str, int] = {}
    islands = _Islands()
    for graph in model.subgraphs:  # a loop or a condition keeps its body in a graph of its own
        for operator in graph.operators:
            name = codes[operator.opcodeIndex]
            ops[name] = max(ops.get(name, 1), int(model.operatorCodes[operator.opcodeIndex].version))
            if any(dtypes[graph.tensors[i].type] in _FLOATS for i in operator.outputs):
                islands.add(name, operator, graph, model, dtypes)
    main = model.subgraphs[0]
    return Graph(
        ops=ops,
        float_ops=tuple(sorted({*islands.layers.values(), *islands.casts})),
        float_layers=islands.layers,
        input_dtypes=tuple(dtypes[main.tensors[i].type] for i in main.inputs),
        output_dtypes=tuple(dtypes[main.tensors[i].type] for i in main.outputs),
        output_ops=tuple(_computed_by(main, codes, i) for i in main.outputs),
        weight_bytes=_weight_bytes(model, dtypes),
        float_weights=islands.weights,
    )


def runtimes_for(graph: Graph) -> tuple[str, ...]:
    """The runtimes that load every operator of the graph in its version.

    Raises:
        ConversionError: None does; the text names the operator.
    """
    refusals = {name: too_new(graph.ops, name) for name in TFLITE_RUNTIMES}
    able = tuple(name for name, refused in refusals.items() if not refused)
    if not able:
        reasons = "; ".join(", ".join(refused) for refused in refusals.values())
        raise ConversionError(f"no runtime loads the graph ({reasons}); replace these layers")
    return able


class _Islands:
    """Operators with a floating-point output, as they are met."""

    def __init__(self) -> None:
        self.layers: dict[str, str] = {}
        self.weights: dict[str, int] = {}
        self.casts: set[str] = set()

    def add(self, name: str, operator: Any, graph: Any, model: Any, dtypes: dict[int, str]) -> None:  # noqa: ANN401
        """Take one."""
        if name in CASTS:
            self.casts.add(name)
            return
        layer = _text(graph.tensors[operator.outputs[0]].name)
        read = [graph.tensors[i] for i in operator.inputs if i >= 0]
        stored = sum(len(_constant(model, tensor)) for tensor in read if dtypes[tensor.type] in _FLOATS)
        self.layers[layer] = name
        self.weights[layer] = self.weights.get(layer, 0) + stored


def operator_names(model: Any) -> list[str]:  # noqa: ANN401 - generated classes
    """Name of each operator code of an unpacked file, such as CONV_2D."""
    return [_op_name(code) for code in model.operatorCodes]


def _op_name(code: Any) -> str:  # noqa: ANN401 - generated classes
    if code.customCode:
        return f"{CUSTOM}{_text(code.customCode)}"
    return op_name(max(code.builtinCode, code.deprecatedBuiltinCode))  # old files have a byte for it


def _computed_by(graph: Any, codes: list[str], tensor: int) -> str:  # noqa: ANN401 - generated classes
    makers = {output: operator for operator in graph.operators for output in operator.outputs}
    for _ in graph.operators:  # a damaged file may go round in circles
        operator = makers.get(tensor)
        if operator is None:
            return ""
        name: str = codes[operator.opcodeIndex]
        if name not in (*CASTS, "RESHAPE", "SQUEEZE"):
            return name
        tensor = operator.inputs[0]
    return ""


def _weight_bytes(model: Any, dtypes: dict[int, str]) -> dict[str, int]:  # noqa: ANN401 - generated classes
    sizes: dict[str, int] = {}
    for tensor in (tensor for graph in model.subgraphs for tensor in graph.tensors):
        dtype, size = dtypes[tensor.type], len(_constant(model, tensor))
        if size and dtype not in _NO_WEIGHTS:
            sizes[dtype] = sizes.get(dtype, 0) + size
    return sizes


def _constant(model: Any, tensor: Any) -> Any:  # noqa: ANN401 - generated classes
    stored = model.buffers[tensor.buffer].data
    return () if stored is None else stored


def _text(name: bytes | str | None) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else name or ""
