"""What was learnt, as bytes that survive a restart. The supervisor keeps them and does not look inside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.worker.adaptation.port import Weights
from edge_models.errors import ArchiveError
from edge_models.npz import read_npz, write_npz

_REVS, _IN_USE, _BEFORE = "_revs", "_in_use_", "_before_"  # behind the learner's name; revisions as in ``Saved``


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Version:
    """Weights and their revision."""

    rev: int
    weights: Weights


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Saved:
    """Everything that is kept.

    Attributes:
        learner: Whose weights they are: those of another may look the same and mean something else.
        in_use: What corrects predictions.
        previous: What did so before, if that is still to be had.
        last_rev: Highest revision ever given for this artifact: none is used for two different weights.
    """

    learner: str
    in_use: Version
    previous: Version | None
    last_rev: int

    def to_bytes(self) -> bytes:
        """An .npz of float32 arrays, twice each, and the revisions."""
        before = self.previous or Version(rev=-1, weights=self.in_use.weights)
        arrays: dict[str, NDArray[np.int64] | NDArray[np.float32]] = {
            self.learner + _REVS: np.array([self.in_use.rev, before.rev, self.last_rev], np.int64)
        }
        for name, weights in self.in_use.weights.items():
            arrays |= {
                self.learner + _IN_USE + name: weights,
                self.learner + _BEFORE + name: before.weights[name],
            }
        return write_npz(arrays)

    @classmethod
    def from_bytes(cls, data: bytes, learner: str, like: Weights) -> Saved:
        """Read what ``to_bytes`` gave.

        Args:
            data: The bytes.
            learner: Whose they have to be.
            like: Weights of the same names and shapes.

        Raises:
            ArchiveError: Other arrays, revisions that cannot be, or numbers that are not finite.
        """
        in_use_prefix, before_prefix = learner + _IN_USE, learner + _BEFORE
        declared = {learner + _REVS: ((3,), "int64")}
        for name, weights in like.items():
            declared |= {prefix + name: (weights.shape, "float32") for prefix in (in_use_prefix, before_prefix)}
        arrays = read_npz(data, max_bytes=saved_bytes(like), declared=declared)
        in_use, before, last = arrays.pop(learner + _REVS).tolist()
        if not -1 <= before < max(in_use, 1) or not 0 <= in_use <= last:
            raise ArchiveError(f"adapted weights: found revisions {in_use}, {before} and {last}, expected rising ones")
        if not all(np.isfinite(weights).all() for weights in arrays.values()):
            raise ArchiveError("adapted weights: found NaN or infinite ones, expected finite numbers")
        return cls(
            learner=learner,
            in_use=Version(rev=in_use, weights={name: arrays[in_use_prefix + name] for name in like}),
            previous=None
            if before < 0
            else Version(rev=before, weights={name: arrays[before_prefix + name] for name in like}),
            last_rev=last,
        )


def saved_bytes(like: Weights) -> int:
    """Bytes that weights of these shapes take at most when they are saved."""
    return 2 * sum(weights.nbytes + 512 for weights in like.values()) + 1024
