"""The reference profile: how an artifact's signals look on data it was made for, taken through that artifact itself.

A profile says for each signal where 33 quantiles of the reference lie. They cut the line into 32 bins of equal
reference share; what is seen later is counted in those bins (``edge_models.sketch``) and compared.

Ties: many signals are constant or saturated (a black border, an int8 confidence of 127), so several quantiles coincide.
A value equal to the coinciding edges a..b goes to bin (a + b) // 2, a smaller one below a, a larger one to b or above:
"less", "the same" and "more" stay apart even for a signal that was constant in the reference. The bins in between stay
empty, so the reference's own histogram is stored instead of assumed to be flat.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_models.errors import ArchiveError
from edge_models.npz import read_npz, write_npz
from edge_models.signals import EXTRACTOR_VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

BINS = 32
MAX_PROFILE_BYTES = 1 << 20
MAX_SIGNALS = 64
MAX_CLASSES = 10_000
PROFILE_ID_DIGITS = 16

_TOLERANCE = 1e-6  # of the largest edge: runtimes and CPUs differ in the last digits of a float32
ARRAYS = ("class_prior", "edges", "extractor", "mean", "n_ref", "reference", "signals", "std")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Profile:
    """What the signals of one artifact look like when nothing is wrong.

    Attributes:
        signals: Name of each of the k signals.
        edges: Quantiles 0/32 .. 32/32 of each signal, (k, 33) float32, not falling.
        reference: Reference values counted in the bins, (k, 32) uint32; each row sums to ``n_ref``.
        mean: Mean of each signal, (k,) float32.
        std: Standard deviation of each signal, (k,) float32.
        class_prior: Share of each predicted class, (c,) float32; empty for a model without classes.
        n_ref: Number of reference frames.
        extractor: ``signals.EXTRACTOR_VERSION`` of the functions that computed the values.
        id: First 16 hex digits of the sha256 of the stored form.
    """

    signals: tuple[str, ...]
    edges: NDArray[np.float32]
    reference: NDArray[np.uint32]
    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    class_prior: NDArray[np.float32]
    n_ref: int
    extractor: int = EXTRACTOR_VERSION
    id: str = field(default="", compare=False)

    def bins(self, values: NDArray[Any]) -> NDArray[np.intp]:
        """The bin 0..31 of each signal's value; ``values`` has shape (k,) or (n, k), the result the same."""
        x = np.asarray(values, np.float64)[..., None]
        edges = self.edges.astype(np.float64)
        slack = _slack(edges)
        left = (edges < x - slack).sum(axis=-1)
        right = (edges <= x + slack).sum(axis=-1)
        return np.asarray(np.clip((left + right - 1) // 2, 0, BINS - 1))

    def histogram(self, values: NDArray[Any]) -> NDArray[np.uint32]:
        """Values (n, k) counted in the bins, (k, 32)."""
        return count_bins(self.bins(values))

    def to_npz(self) -> bytes:
        """The stored form; equal profiles give equal bytes."""
        return write_npz(
            {
                "class_prior": self.class_prior,
                "edges": self.edges,
                "extractor": np.array(self.extractor, np.int64),
                "mean": self.mean,
                "n_ref": np.array(self.n_ref, np.int64),
                "reference": self.reference,
                "signals": np.frombuffer("\n".join(self.signals).encode(), np.uint8),
                "std": self.std,
            }
        )

    @classmethod
    def from_npz(cls, data: bytes) -> Profile:
        """Read a stored profile and check that it can be computed with.

        Raises:
            ArchiveError: Not a profile, made by a newer extractor, or with edges that fall or are not finite.
        """
        arrays = read_npz(data, max_bytes=MAX_PROFILE_BYTES, names=ARRAYS)
        try:
            profile = cls(
                signals=tuple(arrays["signals"].tobytes().decode("ascii").split("\n")),
                edges=arrays["edges"],
                reference=arrays["reference"],
                mean=arrays["mean"],
                std=arrays["std"],
                class_prior=arrays["class_prior"],
                n_ref=int(arrays["n_ref"]),
                extractor=int(arrays["extractor"]),
                id=hashlib.sha256(data).hexdigest()[:PROFILE_ID_DIGITS],
            )
            _check(profile)
        except (ValueError, TypeError) as exc:
            raise ArchiveError(f"profile: {exc}") from exc
        return profile


def build_profile(names: Sequence[str], values: NDArray[Any], predicted: NDArray[Any] | None, classes: int) -> Profile:
    """Make the profile of reference values.

    Args:
        names: Name of each signal.
        values: Signals of n reference frames, (n, k), finite.
        predicted: Predicted class of each frame, (n,); None for a model without classes.
        classes: Number of classes.

    Raises:
        ValueError: Shapes that do not fit, values that are not finite, or no frame.
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 2 or values.shape[1] != len(names) or not len(values) or not np.isfinite(values).all():
        raise ValueError(f"values of shape {values.shape}, expected (n, {len(names)}) finite numbers with n above 0")
    edges = np.quantile(values, np.linspace(0, 1, BINS + 1), axis=0).T.astype(np.float32)
    prior = np.bincount(np.asarray(predicted, np.int64), minlength=classes) if predicted is not None else np.zeros(0)
    draft = functools.partial(
        Profile,
        signals=tuple(names),
        edges=np.maximum.accumulate(edges, axis=1),
        mean=values.mean(axis=0).astype(np.float32),
        std=values.std(axis=0).astype(np.float32),
        class_prior=(prior / max(len(values), 1)).astype(np.float32),
        n_ref=len(values),
    )
    reference = draft(reference=np.zeros((len(names), BINS), np.uint32)).histogram(values)
    digest = hashlib.sha256(draft(reference=reference).to_npz()).hexdigest()
    profile = draft(reference=reference, id=digest[:PROFILE_ID_DIGITS])
    _check(profile)
    return profile


def count_bins(bins: NDArray[np.intp]) -> NDArray[np.uint32]:
    """Bins (n, k) of n frames counted for each signal, (k, 32)."""
    k = bins.shape[1]
    flat = (bins + np.arange(k) * BINS).reshape(-1)
    return np.bincount(flat, minlength=k * BINS).reshape(k, BINS).astype(np.uint32)


def _slack(edges: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(_TOLERANCE * np.abs(edges).max(axis=-1, keepdims=True) + 1e-9)


def _check(profile: Profile) -> None:
    k = len(profile.signals)
    if not 0 < k <= MAX_SIGNALS or len(set(profile.signals)) != k or not all(profile.signals):
        raise ValueError(f"found {k} signals, expected 1 to {MAX_SIGNALS} with different names")
    wanted = {
        "edges": (profile.edges, (k, BINS + 1), np.float32),
        "reference": (profile.reference, (k, BINS), np.uint32),
        "mean": (profile.mean, (k,), np.float32),
        "std": (profile.std, (k,), np.float32),
        "class_prior": (profile.class_prior, (profile.class_prior.size,), np.float32),
    }
    for name, (array, shape, dtype) in wanted.items():
        if array.shape != shape or array.dtype != dtype:
            raise ValueError(f"{name} is {array.dtype}{list(array.shape)}, expected {np.dtype(dtype)}{list(shape)}")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} has values that are not finite")
    if (np.diff(profile.edges, axis=1) < 0).any():
        raise ValueError("edges fall, expected quantiles in rising order")
    if profile.n_ref < 1 or (profile.reference.sum(axis=1, dtype=np.int64) != profile.n_ref).any():
        raise ValueError(f"reference counts do not sum to n_ref {profile.n_ref}")
    if profile.class_prior.size > MAX_CLASSES or (profile.class_prior < 0).any():
        raise ValueError(
            f"class_prior of {profile.class_prior.size} shares, expected up to {MAX_CLASSES}, none below 0"
        )
    if not 1 <= profile.extractor <= EXTRACTOR_VERSION:
        raise ValueError(f"made by signal extractor {profile.extractor}, this version has {EXTRACTOR_VERSION}")
