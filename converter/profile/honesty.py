"""What estimates of accuracy are worth: a table of them beside the truth, by family of shifts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from converter.report.drift import CostFound, EstimatesFound

if TYPE_CHECKING:
    from converter.profile.impact import ShiftRow


def cost_found(rows: Sequence[ShiftRow], accuracy: float) -> CostFound | None:
    """Estimates beside the truth; None without any.

    Args:
        rows: One for each window, by a model that never saw its family.
        accuracy: Where nothing is shifted.
    """
    if not rows:
        return None
    names = sorted({row.family for row in rows if row.family})
    families = [_judged(name, [row for row in rows if row.family == name]) for name in names]
    families.sort(key=lambda one: one.worst)
    return CostFound(accuracy=accuracy, whole=_judged("", rows), families=tuple(families))


def _judged(family: str, rows: Sequence[ShiftRow]) -> EstimatesFound:
    return EstimatesFound(
        family=family,
        windows=len(rows),
        worst=min(row.true for row in rows),
        error=float(np.mean([abs(row.estimated - row.true) for row in rows])),
        covered=float(np.mean([row.low <= row.true <= row.high for row in rows])),
        confidence_error=float(np.mean([abs(row.cbpe - row.true) for row in rows])),
    )
