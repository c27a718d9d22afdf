"""The reference profile: how an artifact's signals look on data it was made for, taken through that artifact itself.

A profile says for each signal where 33 quantiles of the reference lie (``edge_models.profile.quantiles``). What is seen
later is counted in the 32 bins between them (``edge_models.sketch``) and ranked by them (``edge_models.drift``). The
bins of a tied signal are not equally full, so the reference's own histogram is kept instead of assumed to be flat.

Signals are watched in three forms, the columns X: standardised, whitened, and as one distance from the reference.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_models.errors import ArchiveError
from edge_models.profile.archive import pack, unpack
from edge_models.profile.columns import columns_of, scale_of, standardised
from edge_models.profile.quantiles import bins_of, count_bins, ranks_of
from edge_models.profile.rules import check_profile
from edge_models.signals import EXTRACTOR_VERSION

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_models.profile.parts import Confusion, Context, ImpactModel
    from edge_models.signals.embedding import Embedding


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Profile:
    """What the signals of one artifact look like when nothing is wrong.

    Attributes:
        signals: Name of each of the k signals.
        mean: Mean of each signal, (k,) float32.
        std: Standard deviation of each signal, (k,) float32.
        whitening: Takes standardised signals to uncorrelated ones of unit variance, (k, k) float32.
        column_edges: Quantiles 0/32 .. 32/32 of the J = 2k + 1 columns, (J, 33) float32 in rounded standard deviations,
            not falling.
        tails: Quantiles .002 and .998 of the columns, (J, 2) float32.
        contexts: One to four conditions that together are the reference.
        embedding: Where embeddings of the reference lie; None for an artifact that has no such output.
        confusion: Which classes are taken for which; None where no true labels were there.
        temperature: Divides logits so that probabilities are calibrated, above 0.
        impact: What shifts cost; None where that was not measured.
        artifact_sha256: Of the artifact's file that the values were taken through; empty where nobody knows.
        runtime: Which ran it, such as ``ai-edge-litert 2.1.0``; empty where nobody knows.
        decorrelation: Frames until one of the source's frames says something new, as a hint; 1 for independent ones.
        extractor: ``signals.EXTRACTOR_VERSION`` of the functions that computed the values.
        id: First 16 hex digits of the sha256 of the stored form.
    """

    signals: tuple[str, ...]
    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    whitening: NDArray[np.float32]
    column_edges: NDArray[np.float32]
    tails: NDArray[np.float32]
    contexts: tuple[Context, ...]
    embedding: Embedding | None = None
    confusion: Confusion | None = None
    temperature: float = 1.0
    impact: ImpactModel | None = None
    artifact_sha256: str = ""
    runtime: str = ""
    decorrelation: float = 1.0
    extractor: int = EXTRACTOR_VERSION
    id: str = field(default="", compare=False)

    def to_npz(self) -> bytes:
        """The stored form; equal profiles give equal bytes."""
        return pack(self)

    @classmethod
    def from_npz(cls, data: bytes, *, artifact_sha256: str = "") -> Profile:
        """Read a stored profile and check that it can be computed with.

        Args:
            data: The stored form.
            artifact_sha256: Of the artifact's file here; a profile that names another one is refused.

        Raises:
            ArchiveError: Not a profile, of another version or file, or with numbers that nothing can be computed with.
        """
        try:
            profile = cls(**unpack(data))
            check_profile(profile)
        except ValueError as exc:
            raise ArchiveError(f"profile: {exc}") from exc
        found = profile.artifact_sha256
        if artifact_sha256 and found not in ("", artifact_sha256):
            raise ArchiveError(
                f"profile: taken through an artifact of sha256 {found[:12]}, expected {artifact_sha256[:12]}; "
                "build the bundle again"
            )
        return profile

    @property
    def n_ref(self) -> int:
        """Number of reference frames."""
        return sum(context.n for context in self.contexts)

    @property
    def reference(self) -> NDArray[np.uint32]:
        """Reference values counted in the bins, (k, 32) uint32; each row sums to ``n_ref``."""
        histograms = np.stack([context.histogram for context in self.contexts])
        return np.asarray(histograms.sum(axis=0, dtype=np.uint32))

    @property
    def class_prior(self) -> NDArray[np.float32]:
        """Share of each predicted class in the reference, (c,); empty for a model without classes."""
        shares = np.stack([context.class_prior * context.n for context in self.contexts])
        return np.asarray(shares.sum(axis=0) / self.n_ref, np.float32)

    @property
    def edges(self) -> NDArray[np.float32]:
        """Quantiles of each signal in its own unit, (k, 33) float32."""
        edges = self.column_edges[: len(self.signals)].astype(np.float64)
        return np.asarray(self.mean[:, None] + scale_of(self.mean, self.std)[:, None] * edges, np.float32)

    def bins(self, values: NDArray[Any]) -> NDArray[np.intp]:
        """The bin 0..31 of each signal's value; ``values`` has shape (k,) or (n, k), the result the same."""
        return bins_of(standardised(values, self.mean, self.std), self.column_edges[: len(self.signals)])

    def histogram(self, values: NDArray[Any]) -> NDArray[np.uint32]:
        """Values (n, k) counted in the bins, (k, 32)."""
        return count_bins(self.bins(values))

    def columns(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """The columns X of signal values (k,) or (n, k), (J,) or (n, J), rounded."""
        standard = standardised(values, self.mean, self.std)
        return columns_of(standard, self.whitening, [context.centre for context in self.contexts])

    def ranks(self, columns: NDArray[np.float32]) -> NDArray[np.float32]:
        """The rank 0..1 of each column (J,) or (n, J) in the reference, of the same shape."""
        return ranks_of(columns, self.column_edges)
