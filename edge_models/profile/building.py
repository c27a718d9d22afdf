"""Make the profile of reference values. No IO here, and no artifact: the converter runs that and brings the values."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_models.profile.archive import pack
from edge_models.profile.columns import columns_of, standardised
from edge_models.profile.parts import (
    MAX_CONTEXTS,
    PROFILE_ID_DIGITS,
    REFERENCE,
    Confusion,
    Context,
    ImpactModel,
)
from edge_models.profile.quantiles import beyond_tails, bins_of, count_bins, quantile_edges, rounded, tail_points
from edge_models.profile.reference import Profile
from edge_models.profile.rules import check_profile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from edge_models.signals.embedding import Embedding

DENSE_CLASSES = 12  # a table of all pairs up to here
SPARSE_PREDICTIONS = 3  # for each class above

_SMALLEST_EIGENVALUE = 1e-3  # directions with less variance are not blown up further


def build_profile(
    names: Sequence[str],
    values: NDArray[Any],
    predicted: NDArray[Any] | None,
    classes: int,
    *,
    groups: Mapping[str, NDArray[np.bool_]] | None = None,
    embedding: Embedding | None = None,
    truth: NDArray[Any] | None = None,
    temperature: float = 1.0,
    artifact_sha256: str = "",
    runtime: str = "",
    decorrelation: float = 1.0,
    impact: ImpactModel | None = None,
) -> Profile:
    """Make the profile of reference values.

    Args:
        names: Name of each signal.
        values: Signals of n reference frames, (n, k), finite; frames should be distinct and not be learnt from.
        predicted: Predicted class of each frame, (n,); None for a model without classes.
        classes: Number of classes.
        groups: Frames of each named context, (n,) booleans; frames of none are the context ``reference``, the first.
        embedding: What the embedding signals among ``values`` were computed with.
        truth: True class of each frame, (n,), for the confusion.
        temperature: See ``Profile``.
        artifact_sha256: See ``Profile``.
        runtime: See ``Profile``.
        decorrelation: See ``Profile``.
        impact: See ``Profile``.

    Raises:
        ValueError: Shapes that do not fit, values that are not finite, no frame, or groups that overlap.
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 2 or values.shape[1] != len(names) or not len(values) or not np.isfinite(values).all():
        raise ValueError(f"values of shape {values.shape}, expected (n, {len(names)}) finite numbers with n above 0")
    mean, std = values.mean(axis=0).astype(np.float32), values.std(axis=0).astype(np.float32)
    standard = standardised(values, mean, std)
    whitening = _whitening(standard)
    white = rounded(standard @ whitening.T)
    members = _members(groups or {}, len(values))
    centres = [_half(white[chosen].mean(axis=0)) for chosen in members.values()]
    columns = columns_of(standard, whitening, centres)
    draft = Profile(
        signals=tuple(names),
        mean=mean,
        std=std,
        whitening=whitening,
        column_edges=quantile_edges(columns),
        tails=tail_points(columns),
        contexts=(),
        embedding=embedding,
        confusion=_confusion(truth, predicted, classes),
        temperature=float(temperature),
        impact=impact,
        artifact_sha256=artifact_sha256,
        runtime=runtime,
        decorrelation=float(decorrelation),
    )
    classified = None if predicted is None else np.asarray(predicted, np.int64)
    contexts = tuple(
        _context(draft, name, columns[chosen], None if classified is None else classified[chosen], classes, centre)
        for (name, chosen), centre in zip(members.items(), centres, strict=True)
    )
    return identified(replace(draft, contexts=contexts))


def measured_context(profile: Profile, name: str, values: NDArray[Any], predicted: NDArray[Any] | None) -> Context:
    """A context that is learnt after the profile was built: signals of n independent frames, (n, k).

    Its columns are those of the profile, so the distance in them is still from the profile's own contexts.

    Raises:
        ValueError: No frame, or values that do not fit the profile.
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 2 or values.shape[1] != len(profile.signals) or not len(values):
        raise ValueError(f"values of shape {values.shape}, expected (n, {len(profile.signals)}) with n above 0")
    columns = profile.columns(values)
    k = len(profile.signals)
    classes = profile.contexts[0].class_prior.size
    classified = None if predicted is None else np.asarray(predicted, np.int64)
    return _context(profile, name, columns, classified, classes, _half(columns[:, k : 2 * k].mean(axis=0)))


def identified(profile: Profile) -> Profile:
    """The same with the id of its stored form.

    Raises:
        ValueError: It cannot be computed with.
    """
    check_profile(profile)
    return replace(profile, id=hashlib.sha256(pack(profile)).hexdigest()[:PROFILE_ID_DIGITS])


def _context(
    profile: Profile,
    name: str,
    columns: NDArray[np.float32],
    predicted: NDArray[np.int64] | None,
    classes: int,
    centre: NDArray[np.float32],
) -> Context:
    k = len(profile.signals)
    u = profile.ranks(columns).astype(np.float64)
    v = np.abs(2 * u - 1)
    low, high = beyond_tails(columns, profile.tails)
    seen = np.zeros(0) if predicted is None else np.bincount(predicted, minlength=classes) / len(columns)
    return Context(
        name=name,
        n=len(columns),
        u_mean=_half(u.mean(axis=0)),
        u_std=_half(u.std(axis=0)),
        v_mean=_half(v.mean(axis=0)),
        v_std=_half(v.std(axis=0)),
        high=_half(high.mean(axis=0)),
        low=_half(low.mean(axis=0)),
        class_prior=seen.astype(np.float32),
        centre=centre,
        histogram=count_bins(bins_of(columns[:, :k], profile.column_edges[:k])),
    )


def _half(values: NDArray[Any]) -> NDArray[np.float32]:
    """Values as the profile stores them."""
    return values.astype(np.float16).astype(np.float32)


def _whitening(standard: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rotates standardised signals to their principal axes and scales those to unit variance."""
    centred = standard.astype(np.float64) - standard.mean(axis=0, dtype=np.float64)
    values, vectors = np.linalg.eigh(centred.T @ centred / len(centred))
    top = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0)
    vectors = vectors * np.where(top < 0, -1, 1)  # the sign is arbitrary otherwise
    return _half((vectors / np.sqrt(np.maximum(values, _SMALLEST_EIGENVALUE))).T)


def _members(groups: Mapping[str, NDArray[np.bool_]], n: int) -> dict[str, NDArray[np.bool_]]:
    taken = np.zeros(n, np.int64)
    for name, chosen in groups.items():
        if chosen.shape != (n,) or not chosen.any():
            raise ValueError(f"group {name} has {int(chosen.sum())} frames, expected some of {n}")
        taken += chosen
    if (taken > 1).any():
        raise ValueError(f"{int((taken > 1).sum())} frames are in more than one group, expected one for each frame")
    members = {name: np.asarray(chosen, bool) for name, chosen in groups.items()}
    if (taken == 0).any():
        if REFERENCE in members:
            raise ValueError(f"a group has the name {REFERENCE}, which is of the frames of no group")
        members = {REFERENCE: taken == 0} | members
    if len(members) > MAX_CONTEXTS:
        raise ValueError(f"found {len(members)} contexts ({', '.join(members)}), expected at most {MAX_CONTEXTS}")
    return members


def _confusion(truth: NDArray[Any] | None, predicted: NDArray[Any] | None, classes: int) -> Confusion | None:
    if truth is None or predicted is None or not classes:
        return None
    table = np.zeros((classes, classes))
    np.add.at(table, (np.asarray(truth, np.int64), np.asarray(predicted, np.int64)), 1)
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    kept = classes if classes <= DENSE_CLASSES else SPARSE_PREDICTIONS
    order = np.argsort(-share, axis=1, kind="stable")[:, :kept]
    return Confusion(predicted=order.astype(np.uint16), share=_half(np.take_along_axis(share, order, axis=1)))
