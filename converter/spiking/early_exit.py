"""What stopping early is worth to a network of plain spikes: accuracy and average steps for a range of margins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_models.spiking.network import Network
from edge_models.spiking.reference import Reference

_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)  # of the margins after the first step


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyExit:
    """One margin.

    Attributes:
        margin: A frame ends after step t when its two largest logits differ by t times as much, in the units of
            accumulators, as executors take it; None for all steps.
        accuracy: With it.
        steps: That were run on average.
    """

    margin: int | None
    accuracy: float
    steps: float


def early_exits(network: Network, x: NDArray[np.int32], y: NDArray[np.int64]) -> tuple[EarlyExit, ...]:
    """Try margins from none to wide; empty for other codings, which have no answer before the last step.

    Args:
        network: With coding ``if``.
        x: Centred codes, int32 (n, height, width, channels).
        y: Class of each, (n,).
    """
    if network.coding != "if" or network.steps < 2 or network.readout.shape[2] < 2:
        return ()
    reference = Reference(network)
    logits = np.stack([reference.trace(frame)[-1].reshape(network.steps, -1) for frame in x], axis=1)
    ordered = np.sort(logits, axis=-1).astype(np.int64)
    lead = ordered[..., -1] - ordered[..., -2]  # (steps, n)
    right = logits.argmax(axis=-1) == y
    found = [EarlyExit(margin=None, accuracy=float(right[-1].mean()), steps=float(network.steps))]
    for margin in sorted({int(np.quantile(lead[0], share)) for share in _QUANTILES}, reverse=True):
        decided = lead >= margin * np.arange(1, network.steps + 1)[:, None]
        decided[-1] = True
        last = decided.argmax(axis=0)
        accuracy = float(right[last, np.arange(len(y))].mean())
        found.append(EarlyExit(margin=margin, accuracy=accuracy, steps=float(last.mean()) + 1))
    return tuple(found)


def margin_within(found: tuple[EarlyExit, ...], loss: float) -> int | None:
    """The margin with the fewest steps that loses no more than ``loss`` of the accuracy; None when all steps are best.

    Args:
        found: Of calibration examples, so that the test part chooses nothing.
        loss: Share, such as 0.001.
    """
    allowed = [one for one in found if one.accuracy >= found[0].accuracy - loss]
    return min(allowed, key=lambda one: one.steps).margin if allowed else None
