"""Short names for the tensors of a graph: TensorFlow's are kilobytes of a small file, and nobody reads them."""

from __future__ import annotations

from converter.quantize.inspection import layer_name
from converter.quantize.schema import packed, unpacked


def short_names(graph: bytes) -> bytes:
    """The same .tflite graph with each operator's output named ``LAYER/NUMBER.`` and constants numbered.

    Inputs and outputs keep their names. The full stop keeps apart what TensorFlow appends digits to.
    """
    model = unpacked(graph)
    for part in model.subgraphs:
        border = {*part.inputs, *part.outputs}
        made = {place: number for number, operator in enumerate(part.operators) for place in operator.outputs}
        for place, tensor in enumerate(part.tensors):
            if place in made and place not in border:
                tensor.name = f"{layer_name(tensor.name.decode())}/{made[place]}."
            elif place not in border:
                tensor.name = f"c{place}."
    return packed(model)
