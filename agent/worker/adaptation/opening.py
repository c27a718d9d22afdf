"""The guard for an artifact: whether something can be learnt on it at all."""

from __future__ import annotations

import math
from functools import partial

from agent.config import AdaptationConfig
from agent.ipc import MAX_BODY_BYTES
from agent.worker.adaptation.guard import Guard
from agent.worker.adaptation.registry import learner
from agent.worker.adaptation.saved import saved_bytes
from agent.worker.errors import UnadaptableError
from edge_models.manifest import Artifact


def open_guard(config: AdaptationConfig, artifact: Artifact) -> Guard:
    """A fresh guard over a fresh learner.

    Raises:
        LearnerError: The configuration names a learner or a parameter that does not exist.
        UnadaptableError: The artifact gives nothing to learn from, or too much.
    """
    make = learner(config.learner)
    classes, embedding = artifact.output("logits", "probabilities"), artifact.output("embedding")
    if classes is None or embedding is None:
        missing = "classes" if classes is None else "output of role embedding, as a spiking artifact has"
        raise UnadaptableError(f"{artifact.file} has no {missing}, so there is nothing to learn from")
    build = partial(make, math.prod(embedding.spec.shape), math.prod(classes.spec.shape))
    size_bytes = saved_bytes(build().weights())
    if size_bytes > MAX_BODY_BYTES:
        raise UnadaptableError(
            f"weights for {artifact.file} take {size_bytes} bytes, expected at most {MAX_BODY_BYTES}"
        )
    return Guard(build, config)


def guard_or_reason(config: AdaptationConfig | None, artifact: Artifact) -> tuple[Guard | None, str]:
    """What learns on an artifact, or why nothing does although it was to.

    Raises:
        LearnerError: The configuration names a learner or a parameter that does not exist.
    """
    if config is None:
        return None, ""
    try:
        return open_guard(config, artifact), ""
    except UnadaptableError as exc:
        return None, str(exc)
