"""A .tflite file of unknown origin: what it takes, what each of its outputs means, and who can run it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from converter.artifact import Role
from converter.errors import ConversionError, ModelError
from converter.quantize.graph import Graph, read_graph, runtimes_for
from converter.quantize.inspection import Inspection
from converter.wrap.trial import check_runs
from edge_models.engines.tflite import TfliteModel, TfliteTensor
from edge_models.errors import EngineError
from edge_models.manifest import MAX_FILE_BYTES
from edge_models.tensors import TensorSpec

AnswerRole = Literal["logits", "probabilities", "reconstruction"]
ROLES: tuple[AnswerRole, ...] = get_args(AnswerRole)
ANOMALY_LABELS = ("normal", "anomaly")

_SHARES = ("SOFTMAX", "LOGISTIC")  # their outputs are probabilities already
_INTEGERS = ("int8", "uint8", "int16")
_FOREIGN = "CUSTOM:"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ForeignModel:
    """A file that runs here.

    Attributes:
        data: Its bytes.
        form: What distinguishes it from other artifacts of a bundle: int8, uint8, int16x8, float32, dynamic, ...
        inspection: Its operators and who runs them.
        input: Its input.
        roles: What each of its outputs means; what does not answer is an embedding.
        answer: Number of the output that carries the answer.
    """

    data: bytes
    form: str
    inspection: Inspection
    input: TensorSpec
    roles: tuple[Role, ...]
    answer: int

    @property
    def role(self) -> Role:
        """What the answer is."""
        return self.roles[self.answer]


def read_model(path: Path, classes: int | None, role: AnswerRole | None) -> ForeignModel:
    """Read, inspect and load a file.

    Args:
        path: The .tflite file.
        classes: Number of labels; None where none were given, for a model that restores its input.
        role: What the answer is; found out when None.

    Raises:
        ModelError: It is no such file, is damaged, has operators that no runtime loads, several inputs, or no output
            that answers.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except OSError as exc:
        raise ModelError(f"{path}: {exc.strerror}; expected a .tflite file") from exc
    try:
        graph = read_graph(data)
        _check_ops(graph, path)
        inspection = Inspection(graph=graph, runtimes=runtimes_for(graph), float_ops=_float_islands(graph))
        check_runs(path)
        model = TfliteModel(data, delegates=False)
    except (EngineError, ConversionError) as exc:
        raise ModelError(f"{path}: {exc}") from exc
    spec, tensors = model.input.spec, model.outputs
    model.close()
    answer, found = _answer(path, spec, tensors, graph.output_ops, classes, role)
    return ForeignModel(
        data=data,
        form=_form(graph),
        inspection=inspection,
        input=spec,
        roles=tuple(found if number == answer else "embedding" for number in range(len(tensors))),
        answer=answer,
    )


def _check_ops(graph: Graph, path: Path) -> None:
    foreign = [name.removeprefix(_FOREIGN) for name in graph.ops if name.startswith(_FOREIGN)]
    if foreign:
        tpu = any("edgetpu" in name for name in foreign)
        remedy = "take the file from before edgetpu_compiler" if tpu else "export the model without them"
        more = f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
        raise ModelError(
            f"{path}: found custom operators {', '.join(foreign[:3])}{more}, expected TFLite's own; {remedy}"
        )
    if len(graph.input_dtypes) != 1:
        raise ModelError(
            f"{path}: found {len(graph.input_dtypes)} inputs, expected 1; join them in the model before converting it"
        )


def _float_islands(graph: Graph) -> tuple[str, ...]:
    return graph.float_ops if graph.input_dtypes[0] in _INTEGERS else ()


def _form(graph: Graph) -> str:
    """How the artifact is called: by its input, and float ones by their weights.

    A graph with int8 weights and float activations is one of dynamic range.
    """
    border = graph.input_dtypes[0]
    if border != "float32":
        return "int16x8" if border == "int16" else border
    if graph.weight_share("float16") > 0.5:
        return "float16"
    return "dynamic" if graph.weight_share("int8") > 0.5 else "float32"


def _answer(
    path: Path,
    spec: TensorSpec,
    outputs: Sequence[TfliteTensor],
    computed_by: Sequence[str],
    classes: int | None,
    role: AnswerRole | None,
) -> tuple[int, AnswerRole]:
    """Number of the output that answers, and its role."""
    sizes = [math.prod(output.spec.shape) for output in outputs]
    restores = role == "reconstruction" or (role is None and classes in (None, len(ANOMALY_LABELS)))
    if role != "reconstruction" and classes in sizes:
        number = sizes.index(classes)
        shares = computed_by[number] in _SHARES
        return number, role or ("probabilities" if shares else "logits")
    if restores and math.prod(spec.shape) in sizes:
        return sizes.index(math.prod(spec.shape)), "reconstruction"
    shapes = ", ".join(str(list(output.spec.shape)) for output in outputs)
    wanted = f"{math.prod(spec.shape)} numbers, as many as the input" if classes is None else f"{classes} numbers"
    remedy = "a model that restores its input" if classes is None else "one number for each label of --labels"
    raise ModelError(f"{path}: found outputs {shapes}, expected one of {wanted}; a bundle answers with {remedy}")
