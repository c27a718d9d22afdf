"""Samples as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploy.errors import UsageError
from deploy.fleet.models import Sample

NO_LABEL = -1


def stacked(samples: Sequence[Sample]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Inputs (n, ...) as the source delivered them, and labels (n,), -1 where there is none.

    Raises:
        UsageError: There are none, or they differ in dtype or shape, as those of different models do.
    """
    kinds = {(sample.dtype, tuple(sample.shape)) for sample in samples}
    if len(kinds) != 1:
        found = ", ".join(f"{dtype}{list(shape)}" for dtype, shape in sorted(kinds)) or "none"
        raise UsageError(f"samples: found {found}, expected one dtype and shape; choose a device with --device")
    ((dtype, shape),) = kinds
    x = np.stack(
        [np.frombuffer(sample.x, dtype=np.dtype(dtype).newbyteorder("<")).reshape(shape) for sample in samples]
    )
    labels = [NO_LABEL if sample.label is None else sample.label for sample in samples]
    return x.astype(dtype), np.array(labels, dtype=np.int64)
