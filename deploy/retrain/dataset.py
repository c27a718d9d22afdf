"""Which delivered samples train a bundle, and which judge it.

The split goes by the sample's id, so that a sample that has once judged never trains, in this job or a later one. A
device that delivers more than others does not count for more than ``device_cap`` samples; the newest ones count.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deploy.fleet.arrays import stacked
from deploy.fleet.models import Sample
from edge_models.npz import write_npz

log = logging.getLogger(__name__)

_BUCKETS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Samples for training, samples held back, and samples without a label that may be pre-trained on."""

    train: tuple[Sample, ...]
    held: tuple[Sample, ...]
    unlabelled: tuple[Sample, ...] = ()


def is_held(sample: str, fraction: float) -> bool:
    """Whether a sample only judges; a pure function of its id.

    >>> [is_held(f"pi-1:1-{n}", 0.3) for n in range(6, 14)]
    [False, False, False, True, True, False, False, True]
    """
    bucket = int.from_bytes(hashlib.sha256(sample.encode()).digest()[:8], "big") % _BUCKETS
    return bucket < fraction * _BUCKETS


def of_one_kind(samples: Sequence[Sample]) -> list[Sample]:
    """The samples of the most frequent dtype and shape: one odd camera must not stop the retraining of all."""
    kinds = Counter((sample.dtype, tuple(sample.shape)) for sample in samples)
    usual = max(kinds, key=lambda kind: (kinds[kind], kind), default=None)
    found = [sample for sample in samples if (sample.dtype, tuple(sample.shape)) == usual]
    if len(found) < len(samples):
        log.warning("samples left out, of another dtype or shape than most count=%d", len(samples) - len(found))
    return found


def split(samples: Sequence[Sample], *, fraction: float, device_cap: int) -> Split:
    """Divide labelled samples, the newest ``device_cap`` of each device."""
    newest: dict[str, list[Sample]] = {}
    for sample in sorted(samples, key=lambda one: (one.received_at, one.id), reverse=True):
        of_device = newest.setdefault(sample.device, [])
        if len(of_device) < device_cap:
            of_device.append(sample)
    chosen = sorted((sample for some in newest.values() for sample in some), key=lambda one: one.id)
    return Split(
        train=tuple(sample for sample in chosen if not is_held(sample.id, fraction)),
        held=tuple(sample for sample in chosen if is_held(sample.id, fraction)),
    )


def to_pretrain(samples: Sequence[Sample], like: Sequence[Sample], *, fraction: float) -> tuple[Sample, ...]:
    """Samples without a label, of the kind of the labelled ones, that will never judge when they get a label later."""
    kinds = {(sample.dtype, tuple(sample.shape)) for sample in like}
    usable = [sample for sample in samples if (sample.dtype, tuple(sample.shape)) in kinds]
    return tuple(sample for sample in usable if not is_held(sample.id, fraction))


def training_npz(samples: Sequence[Sample]) -> bytes:
    """S.npz for the converter: x as the source delivers it, y, and as group the number of the device."""
    x, y = stacked(samples)
    numbers = {device: number for number, device in enumerate(sorted({sample.device for sample in samples}))}
    group = np.array([numbers[sample.device] for sample in samples], dtype=np.int64)
    return write_npz({"x": x, "y": y, "group": group})


def unlabelled_npz(samples: Sequence[Sample]) -> bytes:
    """U.npz for the converter: x alone."""
    return write_npz({"x": stacked(samples)[0]})


def held_npz(samples: Sequence[Sample]) -> bytes:
    """H.npz for ``driftline-convert evaluate``."""
    x, y = stacked(samples)
    return write_npz({"x": x, "y": y})
