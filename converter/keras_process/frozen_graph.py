"""A SavedModel of any TensorFlow as a Keras model that can be asked and converted, but not trained.

Its graph is read by the loader of TensorFlow 1, which looks at the signature and the variables and at nothing else:
the loader of TensorFlow 2 rebuilds the Python objects that were saved, and fails where those of the optimiser are of
another version (MLPerf Tiny's keyword model: '_UserObject' object has no attribute 'add_slot').
"""
# ruff: noqa: ANN401 - TensorFlow is loaded late and has no types

from __future__ import annotations

from pathlib import Path
from typing import Any

from converter.keras_process.bench import RefusedModelError
from converter.quantize.embedding import FROZEN

_SIGNATURE = "serving_default"
_PASSED_ON = ("Identity", "IdentityN", "StopGradient")
LAST = ("Softmax", "Sigmoid")
"""Activations at the end of a classifier, by the names of their operations."""


def frozen_model(path: str, without: tuple[str, ...]) -> Any:
    """A ``keras.Model`` around the serving signature of a SavedModel.

    Args:
        path: The folder.
        without: Activations that are left out at its end, of ``LAST``.

    Raises:
        RefusedModelError: It is no SavedModel, or has another signature than one float input and one output.
    """
    import keras
    import tensorflow as tf

    if not any(Path(path, name).is_file() for name in ("saved_model.pb", "saved_model.pbtxt")):
        raise RefusedModelError(f"{path}: found no saved_model.pb, expected the folder of a SavedModel")
    function = _function(path, without)
    (x,) = function.inputs
    if x.dtype != tf.float32 or x.shape.rank is None:
        raise RefusedModelError(f"{path}: its input is {x.dtype.name} {x.shape}, expected float32 of known rank")

    class Frozen(keras.layers.Layer):  # type: ignore[misc]
        """Runs the graph."""

        def call(self, inputs: Any) -> Any:
            outputs = function(inputs)
            return outputs[0] if isinstance(outputs, list | tuple) else outputs

    inputs = keras.Input(batch_shape=tuple(x.shape), name="x")
    return keras.Model(inputs, Frozen(name=FROZEN)(inputs))


def _function(path: str, without: tuple[str, ...]) -> Any:
    """The graph between its input and its output, with constants for variables and nothing called by name."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    try:
        frozen, x, y = _constants(path)
        whole = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(frozen, name=""), [])
        inlined = convert_variables_to_constants_v2(whole.prune(x, y), lower_control_flow=False)
        return _cut(inlined, _before_activation(inlined.outputs[0], without))
    except RefusedModelError:
        raise
    except Exception as exc:
        text = " ".join(str(exc).split())[:160]
        raise RefusedModelError(
            f"{path}: TensorFlow cannot read it ({type(exc).__name__}: {text}); export it again"
        ) from exc


def _cut(function: Any, last: Any) -> Any:
    import tensorflow as tf

    graph = function.graph.as_graph_def()
    whole = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(graph, name=""), [])
    return whole.prune(function.inputs[0].name, last.name)


def _constants(path: str) -> tuple[Any, str, str]:
    """GraphDef with constants for variables, and the names of its input and its output."""
    import tensorflow as tf

    v1 = tf.compat.v1
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        loaded = v1.saved_model.load(session, [v1.saved_model.tag_constants.SERVING], path)
        signatures = {name: given for name, given in loaded.signature_def.items() if not name.startswith("__")}
        if _SIGNATURE not in signatures and len(signatures) != 1:
            found = ", ".join(sorted(signatures)) or "none"
            raise RefusedModelError(
                f"{path}: found the signatures {found}, expected {_SIGNATURE}; export with that one"
            )
        signature = signatures.get(_SIGNATURE) or next(iter(signatures.values()))
        if len(signature.inputs) != 1 or len(signature.outputs) != 1:
            found = f"{len(signature.inputs)} inputs and {len(signature.outputs)} outputs"
            raise RefusedModelError(f"{path}: found {found}, expected one of each; export a smaller signature")
        (x,), (y,) = ([info.name for info in side.values()] for side in (signature.inputs, signature.outputs))
        name = y.partition(":")[0]
        constants = v1.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), [name])
    return constants, x, y


def _before_activation(tensor: Any, without: tuple[str, ...]) -> Any:
    """What goes into the activation that gives this tensor; the tensor itself if there is none."""
    found = tensor
    while found.op.type in _PASSED_ON:
        found = found.op.inputs[found.value_index]
    return found.op.inputs[0] if found.op.type in without else tensor
