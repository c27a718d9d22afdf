"""What the report says of drift: what devices know, notice and estimate."""

from __future__ import annotations

from dataclasses import dataclass

from edge_models.drift.detectability import Detectable


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionFound:
    """One of the conditions that are all right, and how many examples it was measured on."""

    name: str
    frames: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatesFound:
    """Estimates of accuracy beside the truth, in windows of one family of shifts or of all.

    Attributes:
        family: Of the shifts; empty for all of them.
        windows: How many there were.
        worst: The lowest true accuracy among them.
        error: Mean absolute error of the estimate.
        covered: Share of the windows whose accuracy was inside the interval.
        confidence_error: Mean absolute error of the mean calibrated confidence, which needs no model (CBPE).
    """

    family: str
    windows: int
    worst: float
    error: float
    covered: float
    confidence_error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CostFound:
    """How honest the estimates of accuracy are for kinds of shifts that the model of them has not seen.

    Attributes:
        accuracy: Where nothing is shifted.
        whole: All windows.
        families: Those of each family, the costliest first.
    """

    accuracy: float
    whole: EstimatesFound
    families: tuple[EstimatesFound, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftFound:
    """What devices with the first artifact will notice.

    Attributes:
        false_alarms_per_month: Budget that it is measured at.
        rate_hz: Of the source that it is measured for.
        frames: Held-out examples that it is measured on.
        signals: The smallest shift that is found, by signal; empty with too few examples, or ones that alarm unshifted.
        conditions: That are no drift to the devices.
        cost: What estimates of accuracy are worth; None where none is made.
    """

    false_alarms_per_month: float
    rate_hz: float
    frames: int
    signals: tuple[Detectable, ...]
    conditions: tuple[ConditionFound, ...] = ()
    cost: CostFound | None = None
