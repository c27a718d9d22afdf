"""Which signals an artifact's profile has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_models.signals.answer import output_signal_names
from edge_models.signals.inputs import Kind, input_signal_names

if TYPE_CHECKING:
    from edge_models.manifest import Artifact
    from edge_models.signals.embedding import Embedding


def signal_names(
    kind: Kind, shape: tuple[int, ...], artifact: Artifact, embedding: Embedding | None
) -> tuple[str, ...]:
    """Names of all signals of a frame: of its input, its answer and its embedding.

    Args:
        kind: Of the input.
        shape: Of a preprocessed frame.
        artifact: What answers.
        embedding: Of its profile; None without a profile.
    """
    return input_signal_names(kind, shape) + output_signal_names(artifact, embedding)
