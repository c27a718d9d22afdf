"""Learners by the names that a configuration gives them; one more is one more entry here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from agent.worker.adaptation.delta_rule import DEFAULT_RATE, DEFAULT_REPLAYS, REPLAYED, DeltaRule
from agent.worker.adaptation.head import DEFAULT_PRIOR, Head
from agent.worker.adaptation.port import Adaptation
from agent.worker.errors import LearnerError

Make = Callable[[int, int], Adaptation]
"""A fresh learner for so many features and classes."""
Builder = Callable[[Mapping[str, object]], Make]


def learner(item: Mapping[str, object]) -> Make:
    """What makes the learner that ``adaptation.learner`` describes: a name, and its parameters.

    Raises:
        LearnerError: A name or a parameter does not exist.
    """
    name = item.get("name")
    if name not in BUILDERS:
        raise LearnerError(f"adaptation.learner: found name {name!r}, expected one of {', '.join(BUILDERS)}")
    return BUILDERS[str(name)]({key: value for key, value in item.items() if key != "name"})


def _delta_rule(parameters: Mapping[str, object]) -> Make:
    unknown = sorted(set(parameters) - {"rate", "replays"})
    if unknown:
        raise LearnerError(
            f"adaptation.learner: delta_rule: found {', '.join(unknown)}, expected rate and replays only"
        )
    rate, replays = parameters.get("rate", DEFAULT_RATE), parameters.get("replays", DEFAULT_REPLAYS)
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 < rate <= 1:
        raise LearnerError(f"adaptation.learner: delta_rule: found rate {rate!r}, expected a number above 0, at most 1")
    if isinstance(replays, bool) or not isinstance(replays, int) or not 0 <= replays <= REPLAYED:
        raise LearnerError(f"adaptation.learner: delta_rule: found replays {replays!r}, expected 0 to {REPLAYED}")
    return partial(_make_delta_rule, float(rate), replays)


def _make_delta_rule(rate: float, replays: int, features: int, classes: int) -> Adaptation:
    return DeltaRule(features=features, classes=classes, rate=rate, replays=replays)


def _head(parameters: Mapping[str, object]) -> Make:
    unknown = sorted(set(parameters) - {"prior"})
    if unknown:
        raise LearnerError(f"adaptation.learner: head: found {', '.join(unknown)}, expected prior only")
    prior = parameters.get("prior", DEFAULT_PRIOR)
    if isinstance(prior, bool) or not isinstance(prior, (int, float)) or not 0.01 <= prior <= 1000:
        raise LearnerError(f"adaptation.learner: head: found prior {prior!r}, expected a number from 0.01 to 1000")
    return partial(_make_head, float(prior))


def _make_head(prior: float, features: int, classes: int) -> Adaptation:
    return Head(features=features, classes=classes, prior=prior)


BUILDERS: dict[str, Builder] = {DeltaRule.name: _delta_rule, Head.name: _head}
