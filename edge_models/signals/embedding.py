"""Signals of an embedding, the output of a layer inside the network: how far it is from what the network knows.

Two numbers tell "further out in a known direction" (T2) and "in a direction never seen" (Q) apart; the first principal
components tell where it went. What is known is measured on the reference (``Embedding``) and lies in the profile.

Sources: Hotelling 1947 (T2); Jackson and Mudholkar 1979, "Control procedures for residuals associated with principal
component analysis" (Q).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_COMPONENTS = 8
MAX_WIDTH = 256  # wider embeddings are folded to this: a profile must stay below 12 KB

_FLOOR = 1e-3
_TINY = 1e-9
_SMALLEST_STEP = 1e-4  # a unit vector of 256 numbers has one of 1/16


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Embedding:
    """Where an artifact's embeddings of the reference lie.

    Attributes:
        width: Numbers of the embedding before it is folded.
        unit: Root mean square of a number's distance from its mean, above 0.
        mean: (d,) float32.
        components: Principal components, (p, d) float32 of nearly unit length.
        scale: Standard deviation along each component, in units, (p,) float32 above 0.
    """

    width: int
    unit: float
    mean: NDArray[np.float32]
    components: NDArray[np.float32]
    scale: NDArray[np.float32]

    @property
    def signal_names(self) -> tuple[str, ...]:
        """``t2``, ``q`` and one for each component."""
        return "t2", "q", *(f"pc_{i}" for i in range(len(self.components)))

    def signals(self, embeddings: NDArray[Any]) -> NDArray[np.float64]:
        """Signals of one embedding (width,) or of n of them (n, width): (2 + p,) or (n, 2 + p).

        Examples:
            >>> known = Embedding(
            ...     width=2,
            ...     unit=1.0,
            ...     mean=np.zeros(2, np.float32),
            ...     components=np.array([[1, 0]], np.float32),
            ...     scale=np.array([2], np.float32),
            ... )
            >>> known.signals(np.array([2.0, 1.0])).round(2).tolist()
            [0.0, 0.0, 1.0]

        Raises:
            ValueError: They are of another width.
        """
        if embeddings.shape[-1] != self.width:
            raise ValueError(f"embedding of {embeddings.shape[-1]} numbers, expected {self.width}")
        centred = (folded(embeddings) - self.mean) / np.float32(self.unit)
        scores = centred @ self.components.T
        residual = centred - scores @ self.components
        scaled = (scores / self.scale).astype(np.float64)
        signals = np.empty((*scaled.shape[:-1], 2 + scaled.shape[-1]))
        signals[..., 0] = np.add.reduce(scaled * scaled, axis=-1)
        signals[..., 1] = np.add.reduce(residual * residual, axis=-1, dtype=np.float64)
        signals[..., :2] += _FLOOR
        signals[..., :2] = np.log(signals[..., :2])
        signals[..., 2:] = scaled
        return signals


def folded(embeddings: NDArray[Any]) -> NDArray[np.float32]:
    """Embeddings (..., width) as they are up to 256 numbers; of wider ones (..., 256) sums with fixed random signs.

    A sparse random projection keeps distances on average (Achlioptas 2003) and needs no stored matrix.
    """
    x = np.asarray(embeddings, np.float32)
    width = x.shape[-1]
    if width <= MAX_WIDTH:
        return x
    signed = x * _signs(width)
    short = -width % MAX_WIDTH
    padded = np.concatenate([signed, np.zeros((*x.shape[:-1], short), np.float32)], axis=-1) if short else signed
    return np.asarray(padded.reshape(*x.shape[:-1], -1, MAX_WIDTH).sum(-2), np.float32)


def measured_embedding(embeddings: NDArray[Any]) -> Embedding:
    """What n embeddings (n, width) of the reference tell; at most 8 components, and half as many as they have numbers.

    The other half is what ``q`` looks at.

    Raises:
        ValueError: Fewer than two embeddings, or numbers that are not finite.
    """
    if embeddings.ndim != 2 or len(embeddings) < 2 or not np.isfinite(embeddings).all():
        raise ValueError(f"embeddings of shape {embeddings.shape}, expected (n, width) finite numbers with n above 1")
    x = folded(embeddings).astype(np.float64)
    mean = x.mean(axis=0).astype(np.float16).astype(np.float64)
    centred = x - mean
    unit = float(np.float32(max(np.sqrt((centred * centred).mean()), _TINY)))
    centred /= unit
    values, vectors = np.linalg.eigh(centred.T @ centred / len(x))
    largest = np.argsort(values)[::-1][: max(min(MAX_COMPONENTS, x.shape[1] // 2), 1)]
    largest = largest[values[largest] > _FLOOR * values.max()] if values.max() > 0 else largest[:1]
    components = quantised_components(vectors[:, largest].T)
    scale = (centred @ components.T).std(axis=0)
    return Embedding(
        width=embeddings.shape[1],
        unit=unit,
        mean=mean.astype(np.float32),
        components=components,
        scale=np.maximum(scale, _FLOOR).astype(np.float16).astype(np.float32),
    )


def component_codes(components: NDArray[np.floating[Any]]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Components (p, d) as int8 codes and the step of each row, (p,).

    A step has 11 bits, so that 127 of it are exact and codes of what codes stand for are the same codes.
    """
    largest = np.abs(components).max(axis=1, initial=0.0)
    step = np.maximum(largest / 127, _SMALLEST_STEP).astype(np.float16).astype(np.float32)
    return np.rint(components / step[:, None]).astype(np.int8), step


def quantised_components(components: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Components as a profile keeps them, with the largest number positive: their sign is arbitrary otherwise."""
    top = np.take_along_axis(components, np.abs(components).argmax(axis=1)[:, None], axis=1)
    codes, step = component_codes(components * np.where(top < 0, -1, 1))
    return codes.astype(np.float32) * step[:, None]


@functools.lru_cache(maxsize=4)
def _signs(width: int) -> NDArray[np.float32]:
    """Signs from a 64-bit mix of the index (splitmix64, Steele 2014): the same on every machine and numpy."""
    z = (np.arange(1, width + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)).astype(np.uint64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return np.where(z & np.uint64(1), np.float32(1), np.float32(-1)).astype(np.float32)
