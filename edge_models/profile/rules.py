"""What a profile must be before anything is computed with it."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_models.profile.parts import MAX_CLASSES, MAX_CONTEXTS, MAX_SIGNALS
from edge_models.profile.quantiles import BINS, LIMIT
from edge_models.signals.embedding import MAX_COMPONENTS, MAX_WIDTH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_models.profile.parts import Confusion, Context, ImpactModel
    from edge_models.profile.reference import Profile
    from edge_models.signals.embedding import Embedding

CONTEXT_NAME = "[a-z0-9][a-z0-9_-]{0,31}"

_SHA256 = "[0-9a-f]{64}"
_ROUNDING = 0.01  # shares are float16


def check_profile(profile: Profile) -> None:
    """Raise a ValueError that says what is wrong with ``profile``, if anything is."""
    k, columns = len(profile.signals), 2 * len(profile.signals) + 1
    if not 0 < k <= MAX_SIGNALS or len(set(profile.signals)) != k or not all(profile.signals):
        raise ValueError(f"found {k} signals, expected 1 to {MAX_SIGNALS} with different names")
    _check("mean", profile.mean, (k,))
    _check("std", profile.std, (k,), low=0)
    _check("whitening", profile.whitening, (k, k))
    _check("column_edges", profile.column_edges, (columns, BINS + 1), low=-LIMIT, high=LIMIT)
    _check("tails", profile.tails, (columns, 2), low=-LIMIT, high=LIMIT)
    if (np.diff(profile.column_edges, axis=1) < 0).any() or (np.diff(profile.tails, axis=1) < 0).any():
        raise ValueError("edges or tails fall, expected quantiles in rising order")
    if not profile.contexts:
        raise ValueError(f"found no context, expected 1 to {MAX_CONTEXTS}")
    classes = profile.contexts[0].class_prior.size
    check_contexts(profile.contexts, k, classes)
    if not re.fullmatch(f"({_SHA256})?", profile.artifact_sha256):
        raise ValueError(f"artifact_sha256 {profile.artifact_sha256!r}, expected 64 hexadecimal digits or none")
    for name, value, low in (("temperature", profile.temperature, 1e-3), ("decorrelation", profile.decorrelation, 1.0)):
        if not math.isfinite(value) or value < low:
            raise ValueError(f"{name} {value}, expected a finite number of at least {low:g}")
    if profile.embedding is not None:
        _check_embedding(profile.embedding, profile.signals)
    if profile.confusion is not None:
        _check_confusion(profile.confusion, classes)
    if profile.impact is not None:
        _check_impact(profile.impact)


def check_contexts(contexts: Sequence[Context], k: int, classes: int) -> None:
    """Raise a ValueError unless these are one to four contexts of k signals and as many classes."""
    names = [context.name for context in contexts]
    if not 0 < len(contexts) <= MAX_CONTEXTS or len(set(names)) != len(names):
        raise ValueError(f"found contexts {', '.join(names)}, expected 1 to {MAX_CONTEXTS} with different names")
    for context in contexts:
        if not re.fullmatch(CONTEXT_NAME, context.name):
            raise ValueError(f"found context {context.name!r}, expected a name of a-z, 0-9, _ and -, at most 32 long")
        _check_context(context, k, classes)


def _check_context(context: Context, k: int, classes: int) -> None:
    columns = 2 * k + 1
    for name in ("u_mean", "u_std", "v_mean", "v_std", "high", "low"):
        _check(name, getattr(context, name), (columns,), low=0, high=1)
    _check("centre", context.centre, (k,))
    _check("class_prior", context.class_prior, (classes,), low=0, high=1)
    if classes > MAX_CLASSES:
        raise ValueError(f"class_prior of {classes} shares, expected at most {MAX_CLASSES}")
    total = float(context.class_prior.sum())
    if classes and total and abs(total - 1) > _ROUNDING:
        raise ValueError(f"class_prior of context {context.name} sums to {total:.3f}, expected 1")
    if context.histogram.shape != (k, BINS) or context.histogram.dtype != np.uint32:
        raise ValueError(f"histogram is {context.histogram.dtype}{list(context.histogram.shape)}, expected [{k}, 32]")
    if context.n < 1 or (context.histogram.sum(axis=1, dtype=np.int64) != context.n).any():
        raise ValueError(f"counts of context {context.name} do not sum to its {context.n} frames")


def _check_embedding(known: Embedding, signals: Sequence[str]) -> None:
    p, d = known.components.shape
    if not 0 < p <= MAX_COMPONENTS or d != min(known.width, MAX_WIDTH):
        raise ValueError(f"embedding has {p} components of {d} numbers, expected 1 to 8 of {known.width}, at most 256")
    _check("embedding mean", known.mean, (d,))
    _check("embedding components", known.components, (p, d))
    _check("embedding scale", known.scale, (p,), low=1e-6)
    if not (math.isfinite(known.unit) and known.unit > 0):
        raise ValueError(f"embedding unit {known.unit}, expected a finite number above 0")
    if not set(known.signal_names) <= set(signals):
        raise ValueError(f"found no signals {', '.join(known.signal_names)}, expected those of the embedding")


def _check_confusion(confusion: Confusion, classes: int) -> None:
    _check("confusion share", confusion.share, confusion.predicted.shape, low=0, high=1)
    if len(confusion.share) != classes or (confusion.predicted >= classes).any():
        raise ValueError(f"confusion is of {len(confusion.share)} classes, expected {classes}")
    if (confusion.share.sum(axis=1) > 1 + _ROUNDING).any():
        raise ValueError("confusion has a row above 1, expected shares of a class")


def _check_impact(impact: ImpactModel) -> None:
    shape = impact.mean.shape
    _check("impact mean", impact.mean, shape)
    _check("impact std", impact.std, shape, low=1e-9)
    _check("impact weights", impact.weights, shape)
    scalars = (impact.intercept, impact.residual_90, impact.residual_slope, impact.reference_accuracy)
    if not all(math.isfinite(value) for value in scalars) or min(scalars[1:3]) < 0:
        raise ValueError("impact has numbers that are not finite or residuals below 0")


def _check(
    name: str, array: NDArray[Any], shape: tuple[int, ...], *, low: float = -math.inf, high: float = math.inf
) -> None:
    if array.shape != shape or array.dtype != np.float32:
        raise ValueError(f"{name} is {array.dtype}{list(array.shape)}, expected float32{list(shape)}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has values that are not finite")
    if array.size and (array.min() < low or array.max() > high):
        raise ValueError(f"{name} has values from {array.min():g} to {array.max():g}, expected {low:g} to {high:g}")
