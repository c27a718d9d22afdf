"""A profile, or contexts that a device learnt, as an .npz.

25 signals, 12 classes and an embedding of 256 numbers take 10.7 KB. With four contexts it is 13.6 KB, and below 12 KB
with an embedding of up to 64 numbers.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_models.errors import ArchiveError, FieldError
from edge_models.fields import canonical_json, decode_json, described, encode
from edge_models.npz import read_npz, write_npz
from edge_models.profile.parts import (
    MAX_CONTEXTS,
    MAX_SIGNALS,
    PROFILE_ID_DIGITS,
    Confusion,
    Context,
    ImpactModel,
)
from edge_models.profile.rules import check_contexts
from edge_models.signals import EXTRACTOR_VERSION
from edge_models.signals.embedding import Embedding, component_codes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_models.profile.reference import Profile

PROFILE_FORMAT = 2
MAX_PROFILE_BYTES = 1 << 20
MAX_CONTEXTS_BYTES = 1 << 18

_MAX_HEADER_BYTES = 16_384
_HALF, _COUNT = "<f2", "<u4"
_RANK_FIELDS = ("u_mean", "u_std", "v_mean", "v_std", "high", "low")
_CONTEXT_ARRAYS = ("context_centres", "context_classes", "context_histograms", "context_ranks")
ARRAYS = (
    "about",
    "column_edges",
    "confusion_predicted",
    "confusion_share",
    *_CONTEXT_ARRAYS,
    "embedding_components",
    "embedding_mean",
    "embedding_scales",
    "impact",
    "moments",
    "tails",
    "whitening",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Names and single numbers of a profile, as JSON in ``about``."""

    format: int = described("Version of the stored form.")
    extractor: int = described("Version of the signals.", ge=1, le=1_000_000)
    signals: tuple[str, ...] = described("Their names.", max_length=MAX_SIGNALS)
    contexts: tuple[str, ...] = described("Their names.", max_length=MAX_CONTEXTS)
    artifact_sha256: str = described("Of the artifact's file.", max_length=64)
    runtime: str = described("What ran it.", max_length=100)
    temperature: float = described("Divides logits.", ge=1e-3, le=1e3)
    decorrelation: float = described("Frames until one says something new.", ge=1, le=1e6)
    embedding_width: int = described("Numbers of an embedding; 0 for none.", ge=0, le=1 << 20)
    embedding_unit: float = described("Their spread.", ge=0)
    impact: tuple[float, ...] = described("Intercept, residual_90, residual_slope, reference_accuracy.", max_length=4)


def pack(profile: Profile) -> bytes:
    """The stored form; equal profiles give equal bytes."""
    known, impact, confusion = profile.embedding, profile.impact, profile.confusion
    codes, step = component_codes(np.zeros((0, 1)) if known is None else known.components)
    floats = [impact.intercept, impact.residual_90, impact.residual_slope, impact.reference_accuracy] if impact else []
    header = Header(
        format=PROFILE_FORMAT,
        extractor=profile.extractor,
        signals=profile.signals,
        contexts=tuple(context.name for context in profile.contexts),
        artifact_sha256=profile.artifact_sha256,
        runtime=profile.runtime,
        temperature=profile.temperature,
        decorrelation=profile.decorrelation,
        embedding_width=0 if known is None else known.width,
        embedding_unit=0.0 if known is None else known.unit,
        impact=tuple(floats),
    )
    return write_npz(
        {
            "about": np.frombuffer(canonical_json(encode(header)), np.uint8),
            "column_edges": _planes(profile.column_edges, _HALF),
            "confusion_predicted": np.zeros((0, 0), np.uint16) if confusion is None else confusion.predicted,
            "confusion_share": np.zeros((0, 0), np.float16) if confusion is None else _half(confusion.share),
            **_context_arrays(profile.contexts),
            "embedding_components": codes,
            "embedding_mean": np.zeros(0, np.float16) if known is None else _half(known.mean),
            "embedding_scales": np.stack([step, np.zeros(0, np.float32) if known is None else known.scale]),
            "impact": _half(
                np.zeros((3, 0)) if impact is None else np.stack([impact.mean, impact.std, impact.weights])
            ),
            "moments": np.stack([profile.mean, profile.std]),
            "tails": _half(profile.tails),
            "whitening": _half(profile.whitening),
        }
    )


def unpack(data: bytes) -> dict[str, Any]:
    """The fields of a stored profile by name, whose values are still to be checked.

    Raises:
        ArchiveError: Not a profile, or of another version.
    """
    arrays = read_npz(data, max_bytes=MAX_PROFILE_BYTES)
    if "edges" in arrays and "about" not in arrays:
        raise ArchiveError(f"profile: found format 1, expected {PROFILE_FORMAT}; build the bundle again")
    if set(arrays) != set(ARRAYS):
        raise ArchiveError(f"profile: found arrays {', '.join(sorted(arrays))}, expected {', '.join(ARRAYS)}")
    try:
        header = _header(arrays["about"])
        return {
            "signals": header.signals,
            "mean": _row(arrays["moments"], 0),
            "std": _row(arrays["moments"], 1),
            "whitening": _single(arrays["whitening"]),
            "column_edges": _joined(arrays["column_edges"], _HALF, axes=2).astype(np.float32),
            "tails": _single(arrays["tails"]),
            "contexts": _contexts(header.contexts, arrays),
            "embedding": _embedding(header, arrays),
            "confusion": _confusion(arrays),
            "temperature": header.temperature,
            "impact": _impact(header, arrays["impact"]),
            "artifact_sha256": header.artifact_sha256,
            "runtime": header.runtime,
            "decorrelation": header.decorrelation,
            "extractor": header.extractor,
            "id": hashlib.sha256(data).hexdigest()[:PROFILE_ID_DIGITS],
        }
    except (FieldError, IndexError, ValueError) as exc:
        raise ArchiveError(f"profile: {exc}") from exc


def contexts_to_npz(contexts: Sequence[Context], profile: Profile) -> bytes:
    """Contexts that a device learnt on the columns of ``profile``; equal ones give equal bytes."""
    about = {"contexts": [context.name for context in contexts], "profile": profile.id}
    return write_npz({"about": np.frombuffer(canonical_json(about), np.uint8), **_context_arrays(contexts)})


def contexts_from_npz(data: bytes, profile: Profile) -> tuple[Context, ...]:
    """Read stored contexts; none when they were learnt on the columns of another profile.

    Raises:
        ArchiveError: Not contexts, or with numbers that do not fit ``profile``.
    """
    arrays = read_npz(data, max_bytes=MAX_CONTEXTS_BYTES, names=("about", *_CONTEXT_ARRAYS))
    try:
        about = decode_json(_LearntHeader, arrays["about"].tobytes(), max_bytes=_MAX_HEADER_BYTES)
        if about.profile != profile.id:
            return ()
        contexts = _contexts(about.contexts, arrays)
        check_contexts(contexts, len(profile.signals), profile.contexts[0].class_prior.size)
    except (FieldError, IndexError, ValueError) as exc:
        raise ArchiveError(f"contexts: {exc}") from exc
    return contexts


@dataclass(frozen=True, slots=True, kw_only=True)
class _LearntHeader:
    profile: str = described("Id of the profile whose columns these are.", max_length=PROFILE_ID_DIGITS)
    contexts: tuple[str, ...] = described("Their names.", max_length=MAX_CONTEXTS)


def _header(about: NDArray[Any]) -> Header:
    header = decode_json(Header, about.tobytes(), max_bytes=_MAX_HEADER_BYTES)
    if header.format != PROFILE_FORMAT:
        raise ValueError(f"found format {header.format}, expected {PROFILE_FORMAT}; build the bundle again")
    if header.extractor > EXTRACTOR_VERSION:
        raise ValueError(
            f"made by signal extractor {header.extractor}, this version has {EXTRACTOR_VERSION}; upgrade the agent"
        )
    return header


def _context_arrays(contexts: Sequence[Context]) -> dict[str, NDArray[Any]]:
    counts = [np.rint(context.class_prior.astype(np.float64) * context.n) for context in contexts]
    ranks = [np.stack([getattr(context, name) for name in _RANK_FIELDS]) for context in contexts]
    return {
        "context_centres": _half(np.stack([context.centre for context in contexts])),
        "context_classes": np.stack(counts).astype(np.uint32),
        "context_histograms": _planes(np.stack([context.histogram for context in contexts]), _COUNT),
        "context_ranks": _planes(np.stack(ranks), _HALF),
    }


def _contexts(names: Sequence[str], arrays: dict[str, NDArray[Any]]) -> tuple[Context, ...]:
    histograms = _joined(arrays["context_histograms"], _COUNT, axes=3)
    counts = _typed(arrays["context_classes"], np.uint32, axes=2)
    ranks = _joined(arrays["context_ranks"], _HALF, axes=3).astype(np.float32)
    centres = _single(arrays["context_centres"])
    if {len(histograms), len(counts), len(ranks), len(centres)} != {len(names)}:
        raise ValueError(f"found arrays of {len(histograms)} contexts, expected {len(names)}")
    if ranks.shape[1] != len(_RANK_FIELDS):
        raise ValueError(f"context_ranks has {ranks.shape[1]} rows, expected {len(_RANK_FIELDS)}")
    sizes = [int(histogram[:1].sum(dtype=np.int64)) for histogram in histograms]
    return tuple(
        Context(
            name=name,
            n=n,
            **dict(zip(_RANK_FIELDS, ranks[i], strict=True)),
            class_prior=(counts[i] / max(n, 1)).astype(np.float32),
            centre=centres[i],
            histogram=histograms[i],
        )
        for i, (name, n) in enumerate(zip(names, sizes, strict=True))
    )


def _embedding(header: Header, arrays: dict[str, NDArray[Any]]) -> Embedding | None:
    if not header.embedding_width:
        return None
    scales = _typed(arrays["embedding_scales"], np.float32, axes=2)
    step, scale = scales
    codes = _typed(arrays["embedding_components"], np.int8, axes=2)
    return Embedding(
        width=header.embedding_width,
        unit=header.embedding_unit,
        mean=_single(arrays["embedding_mean"], axes=1),
        components=codes.astype(np.float32) * step[:, None],
        scale=scale,
    )


def _confusion(arrays: dict[str, NDArray[Any]]) -> Confusion | None:
    predicted = _typed(arrays["confusion_predicted"], np.uint16, axes=2)
    share = _single(arrays["confusion_share"])
    return Confusion(predicted=predicted, share=share) if predicted.size else None


def _impact(header: Header, rows: NDArray[Any]) -> ImpactModel | None:
    mean, std, weights = _single(rows)
    if not mean.size:
        return None
    intercept, residual_90, residual_slope, reference_accuracy = header.impact
    return ImpactModel(
        mean=mean,
        std=std,
        weights=weights,
        intercept=intercept,
        residual_90=residual_90,
        residual_slope=residual_slope,
        reference_accuracy=reference_accuracy,
    )


def _half(values: NDArray[Any]) -> NDArray[np.float16]:
    return values.astype(np.float16)


def _single(values: NDArray[Any], axes: int = 2) -> NDArray[np.float32]:
    return _typed(values, np.float16, axes=axes).astype(np.float32)


def _planes(values: NDArray[Any], dtype: str) -> NDArray[np.uint8]:
    """Numbers of b bytes as all first bytes, all second ones, ...: (b, *shape); they deflate by a third that way."""
    stored = np.ascontiguousarray(values.astype(dtype))
    singles = stored.view(np.uint8).reshape(*stored.shape, stored.itemsize)
    return np.ascontiguousarray(np.moveaxis(singles, -1, 0))


def _joined(planes: NDArray[Any], dtype: str, *, axes: int) -> NDArray[Any]:
    size = np.dtype(dtype).itemsize
    if _typed(planes, np.uint8, axes=axes + 1).shape[0] != size:
        raise ValueError(f"found {len(planes)} planes of bytes, expected {size}")
    singles = np.ascontiguousarray(np.moveaxis(planes, 0, -1))
    return singles.view(dtype)[..., 0]


def _row(rows: NDArray[Any], number: int) -> NDArray[np.float32]:
    return np.asarray(_typed(rows, np.float32, axes=2)[number])


def _typed(values: NDArray[Any], dtype: type[np.generic], *, axes: int) -> NDArray[Any]:
    if values.dtype != dtype or values.ndim != axes:
        found = f"{values.dtype}{list(values.shape)}"
        raise ValueError(f"found an array {found}, expected {np.dtype(dtype)} with {axes} axes")
    return values
