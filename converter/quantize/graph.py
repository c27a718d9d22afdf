"""Look into a .tflite file: which operators in which versions, and whether it is really quantised.

``requires`` of an artifact comes from here: the measured limits of each runtime, held against the operators found. The
file's own ``min_runtime_version`` is wrong too often to be used.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from importlib import resources
from typing import Any

from converter.errors import ConversionError
from edge_models.engines.flatbuffer import check_tflite

_TABLES = {"ai-edge-litert": "opversions_ai_edge_litert.json", "tflite-runtime": "opversions_tflite_runtime.json"}
_STATEFUL = ("VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE")
_CASTS = ("QUANTIZE", "DEQUANTIZE")
_FLOATS = ("float16", "float32", "float64", "bfloat16")
_MIN_WEIGHT_SHARE = 0.9  # of the bytes in constant tensors that must be int8 in a quantised file


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """What a file is made of.

    Attributes:
        ops: Highest version of each operator; a custom one is called ``CUSTOM:its name``.
        float_ops: Operators with a floating-point output.
        input_dtypes: Of the inputs.
        output_dtypes: Of the outputs.
        int8_weight_share: Share of constant bytes (biases left out) that are int8.
    """

    ops: dict[str, int]
    float_ops: tuple[str, ...]
    input_dtypes: tuple[str, ...]
    output_dtypes: tuple[str, ...]
    int8_weight_share: float


def read_graph(data: bytes) -> Graph:
    """Inspect a .tflite file: the operators of all its graphs, the tensors at the border of the main one.

    Raises:
        UnsupportedArtifactError: The file is damaged.
    """
    from ai_edge_litert import schema_py_generated as schema

    check_tflite(data)
    dtypes = {number: name.lower() for name, number in vars(schema.TensorType).items() if not name.startswith("_")}
    model: Any = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
    codes = [_op_name(code, schema) for code in model.operatorCodes]
    ops: dict[str, int] = {}
    float_ops = set()
    for graph in model.subgraphs:  # a loop or a condition keeps its body in a graph of its own
        for operator in graph.operators:
            name = codes[operator.opcodeIndex]
            ops[name] = max(ops.get(name, 1), int(model.operatorCodes[operator.opcodeIndex].version))
            if any(dtypes[graph.tensors[i].type] in _FLOATS for i in operator.outputs):
                float_ops.add(name)
    main = model.subgraphs[0]
    return Graph(
        ops=ops,
        float_ops=tuple(sorted(float_ops)),
        input_dtypes=tuple(dtypes[main.tensors[i].type] for i in main.inputs),
        output_dtypes=tuple(dtypes[main.tensors[i].type] for i in main.outputs),
        int8_weight_share=_int8_share(model, dtypes),
    )


def runtimes_for(graph: Graph) -> tuple[str, ...]:
    """The runtimes that load every operator of the graph in its version.

    Raises:
        ConversionError: None does; the text names the operator.
    """
    limits = op_limits()
    able = tuple(name for name in _TABLES if not _too_new(graph, limits[name]))
    if not able:
        newest = "; ".join(f"{name}: {', '.join(_too_new(graph, limits[name]))}" for name in _TABLES)
        raise ConversionError(f"no runtime loads the graph ({newest}); replace these layers")
    return able


def check_int8(graph: Graph) -> None:
    """Refuse a file that only claims to be quantised.

    Raises:
        ConversionError: Variables, floating-point islands, or weights that stayed float.
    """
    stateful = [name for name in _STATEFUL if name in graph.ops]
    if stateful:
        raise ConversionError(f"the graph holds {', '.join(stateful)} and not the weights; freeze the model first")
    if set(graph.input_dtypes) != {"int8"} or set(graph.output_dtypes) != {"int8"}:
        found = f"input {', '.join(graph.input_dtypes)} and output {', '.join(graph.output_dtypes)}"
        raise ConversionError(f"the graph has {found}, expected int8; it was not quantised")
    islands = [name for name in graph.float_ops if name not in _CASTS] or list(graph.float_ops)
    if islands:
        raise ConversionError(f"operators {', '.join(islands)} stayed in floating point; replace these layers")
    if graph.int8_weight_share < _MIN_WEIGHT_SHARE:
        raise ConversionError(f"only {graph.int8_weight_share:.0%} of the weights are int8, expected 90 %")


@functools.cache
def op_limits() -> dict[str, dict[str, int]]:
    """The highest version of each operator that each runtime loads, measured by loading crafted files."""
    folder = resources.files("converter.quantize")
    tables = {}
    for runtime, file in _TABLES.items():
        document = json.loads((folder / file).read_text())
        tables[runtime] = {name: int(highest) for name, (_, highest) in document.items()}
    return tables


def _too_new(graph: Graph, limits: dict[str, int]) -> list[str]:
    return [f"{name} {version}" for name, version in graph.ops.items() if version > limits.get(name, 0)]


def _op_name(code: Any, schema: Any) -> str:  # noqa: ANN401 - generated classes
    if code.customCode:
        return f"CUSTOM:{code.customCode.decode(errors='replace')}"
    number = max(code.builtinCode, code.deprecatedBuiltinCode)  # old files have a byte for it
    names: dict[int, str] = {number: name for name, number in vars(schema.BuiltinOperator).items()}
    return names[number]


def _int8_share(model: Any, dtypes: dict[int, str]) -> float:  # noqa: ANN401 - generated classes
    sizes: dict[str, int] = {}
    for tensor in (tensor for graph in model.subgraphs for tensor in graph.tensors):
        stored = model.buffers[tensor.buffer].data
        if stored is not None and dtypes[tensor.type] != "int32":  # biases and shapes
            sizes[dtypes[tensor.type]] = sizes.get(dtypes[tensor.type], 0) + len(stored)
    return sizes.get("int8", 0) / max(sum(sizes.values()), 1)
