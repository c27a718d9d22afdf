"""The order that measures what full int8 does to each layer, and how the TensorFlow process carries it out."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from converter.keras_process.bench import Answer, Bench, arrays
from converter.keras_process.conversion import calibrated, exported, quantised
from converter.keras_process.unconvertible import refuse_loops
from converter.quantize.schema import unpacked
from edge_models.fields import canonical_json, described

HISTOGRAM_BINS = 48
MAX_SQNR_DB = 150.0  # of a layer that adds no noise: JSON has no infinity
_Values = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examine:
    """Measure each quantised layer against its float form on the same input, and the ranges of all of them."""

    op: Literal["examine"] = described("Name of the message.", default="examine")
    calibration: str = described("npz with x (n, ...) float32 that sets the ranges of the activations.")
    dense: Literal["per_tensor", "per_channel"] = described("Scales of dense kernels.", default="per_tensor")
    examples: int = described("At most so many examples are compared layer by layer.", default=64, ge=1)
    folder: str = described("Where the process may write.")
    result: str = described("JSON file to write: an ExaminedLayers.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExaminedLayer:
    """One operator of the int8 graph."""

    tensor: str = described("Its output tensor.")
    operator: str = described("Such as CONV_2D.")
    elements: int = described("Values in the output.")
    sqnr_db: float = described("Float output over its difference from the int8 output, both from the same int8 input.")
    rmse_over_scale: float = described("Root mean square of the difference, in steps of the output; rounding is 0.29.")
    max_error: float = described("Largest mean difference of an example.")
    scale: float = described("Step of the output.")
    zero_point: int = described("Stored value of 0.")
    low: float = described("Smallest value of the calibration.")
    high: float = described("Largest value of the calibration.")
    half_range: float = described("Width of the range that half of the calibration set gives, over that of all.")
    histogram: tuple[int, ...] = described("Values between low and high, in bins of equal width.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExaminedLayers:
    """What the order writes."""

    layers: tuple[ExaminedLayer, ...] = described("In the order of the graph.")


def examine(bench: Bench, message: Examine) -> Answer:
    """Write what was found."""
    refuse_loops(bench.model)
    calibration = arrays(message.calibration, "x")["x"]
    with exported(bench, message.folder) as saved_model:
        graph = calibrated(saved_model, calibration, message.dense)
    ranges = calibrated_ranges(graph)
    compared = calibration[:: -(-len(calibration) // message.examples)]
    rows = _compared(quantised(graph, message.dense, verify="layers"), compared)
    noise = {name: row for row in rows if (name := _original(row["tensor_name"], ranges)) is not None}
    spread = _Spread({name: ranges[name] for name in noise})
    spread.watch(graph, calibration)
    layers = tuple(_layer(name, row, spread) for name, row in noise.items())
    Path(message.result).write_bytes(canonical_json(ExaminedLayers(layers=layers)))
    return Answer()


def calibrated_ranges(graph: bytes) -> dict[str, tuple[float, float]]:
    """Smallest and largest value of each operator's output in a calibrated graph, by the tensor's name."""
    main = unpacked(graph).subgraphs[0]
    outputs = (main.tensors[i] for operator in main.operators for i in operator.outputs)
    return {
        tensor.name.decode(): (float(tensor.quantization.min[0]), float(tensor.quantization.max[0]))
        for tensor in outputs
        if tensor.quantization is not None and tensor.quantization.min is not None
    }


def _compared(debug_graph: bytes, frames: NDArray[np.float32]) -> list[dict[str, str]]:
    """The table of TensorFlow's debugger: a row for each quantised operator, averages over the frames."""
    import tensorflow as tf

    debugger = tf.lite.experimental.QuantizationDebugger(
        quant_debug_model_content=debug_graph,
        debug_dataset=lambda: ([frame[None]] for frame in input_codes(debug_graph, frames)),
        debug_options=tf.lite.experimental.QuantizationDebugOptions(layer_direct_compare_metrics={"signal": _signal}),
    )
    debugger.run()
    table = io.StringIO()
    debugger.layer_statistics_dump(table)
    return list(csv.DictReader(table.getvalue().splitlines()))


def input_codes(graph: bytes, frames: NDArray[np.float32]) -> NDArray[Any]:
    """Frames (n, ...) as the int8 codes of a graph's input; as they are for a float input.

    TensorFlow's debugger would do this itself, but it takes a zero point of 0 for none, and lets codes beyond the range
    wrap around.
    """
    main = unpacked(graph).subgraphs[0]
    quantization = main.tensors[main.inputs[0]].quantization
    if quantization is None or quantization.scale is None or not len(quantization.scale):
        return frames
    scale, zero_point = float(quantization.scale[0]), int(quantization.zeroPoint[0])
    codes: NDArray[np.float32] = np.rint(frames / np.float32(scale)) + np.float32(zero_point)
    return np.clip(codes, -128, 127).astype(np.int8)


def _signal(exact: _Values, _stored: _Values, _scale: float, _zero_point: int) -> float:
    return float(np.square(exact, dtype=np.float64).mean())


def _original(shown: str, names: Iterable[str]) -> str | None:
    """The tensor that the debugger means: it appends digits to names, and takes one digit off, its own or not."""
    fitting = [name for name in names if _tail(shown, name) or _tail(name, shown)]
    return max(fitting, key=len, default=None)


def _tail(longer: str, shorter: str) -> bool:
    return longer.startswith(shorter) and (longer == shorter or longer[len(shorter) :].isdigit())


class _Spread:
    """Histograms of tensors in the float graph, and how much of their ranges half of the examples span."""

    def __init__(self, ranges: Mapping[str, tuple[float, float]]) -> None:
        self.ranges = ranges
        self.histograms = {name: np.zeros(HISTOGRAM_BINS, np.int64) for name in ranges}
        self._extremes: dict[str, list[tuple[float, float]]] = {name: [] for name in ranges}

    def watch(self, graph: bytes, frames: NDArray[np.float32]) -> None:
        """Run the frames."""
        import tensorflow as tf

        interpreter = tf.lite.Interpreter(model_content=graph, experimental_preserve_all_tensors=True, num_threads=1)
        interpreter.allocate_tensors()
        places = {d["name"]: d["index"] for d in interpreter.get_tensor_details() if d["name"] in self.ranges}
        source = interpreter.get_input_details()[0]["index"]
        for frame in frames:
            interpreter.set_tensor(source, frame[None])
            interpreter.invoke()
            for name, place in places.items():
                self._add(name, interpreter.get_tensor(place))

    def _add(self, name: str, values: _Values) -> None:
        low, high = self.ranges[name]
        inside = np.clip(values, low, high)
        self.histograms[name] += np.histogram(inside, HISTOGRAM_BINS, (low, max(high, low + 1e-9)))[0]
        self._extremes[name].append((float(values.min()), float(values.max())))

    def half_range(self, name: str) -> float:
        """Width of the range that every other example gives, over that of all."""
        extremes = np.asarray(self._extremes[name])
        half, every = (float(part[:, 1].max() - part[:, 0].min()) for part in (extremes[::2], extremes))
        return half / every if every > 0 else 1.0


def _layer(name: str, row: Mapping[str, str], spread: _Spread) -> ExaminedLayer:
    noise, signal, scale = (float(row[key]) for key in ("mean_squared_error", "signal", "scale"))
    sqnr_db = 10 * math.log10(signal / noise) if noise > 0 and signal > 0 else MAX_SQNR_DB
    low, high = spread.ranges[name]
    return ExaminedLayer(
        tensor=name,
        operator=row["op_name"],
        elements=int(float(row["num_elements"])),
        sqnr_db=min(sqnr_db, MAX_SQNR_DB),
        rmse_over_scale=math.sqrt(noise) / scale if scale > 0 else 0.0,
        max_error=float(row["max_abs_error"]),
        scale=scale,
        zero_point=int(row["zero_point"]),
        low=low,
        high=high,
        half_range=spread.half_range(name),
        histogram=tuple(int(count) for count in spread.histograms[name]),
    )
