"""How many false alarms a device may raise, as thresholds of its e-detectors."""

from __future__ import annotations

from types import MappingProxyType

MONTH_S = 2_592_000  # 30 days
SHARES = MappingProxyType({"e_bank": 0.6, "class_prior": 0.25, "error_rate": 0.15})
"""Of the budget, by detector; they sum to 1, so all together keep it (the numbers of false alarms add up)."""


def threshold(rate_hz: float, thin: int, false_alarms_per_month: float, share: float = 1.0) -> float:
    """The threshold of an e-detector that takes one of ``thin`` frames and may spend ``share`` of the budget.

    Args:
        rate_hz: Frames in a second.
        thin: One of so many frames is looked at.
        false_alarms_per_month: Budget of the device.
        share: Of it, above 0 and up to 1.

    Raises:
        ValueError: An argument outside its range.

    Examples:
        >>> threshold(1.0, 1, 1.0)
        2592000.0
        >>> threshold(10.0, 20, 1.0, share=0.5)
        2592000.0
    """
    if not (rate_hz > 0 and thin >= 1 and false_alarms_per_month > 0 and 0 < share <= 1):
        raise ValueError(
            f"found rate {rate_hz} Hz, thin {thin}, {false_alarms_per_month} false alarms per month, share {share}, "
            "expected numbers above 0, thin from 1, share up to 1"
        )
    return max(MONTH_S * rate_hz / (thin * false_alarms_per_month) / share, 1.0)


def checked(threshold: float) -> float:
    """The threshold of an e-process.

    Raises:
        ValueError: It is below 1, so that a sum of nothing would reach it, or no number.
    """
    if not threshold >= 1:
        raise ValueError(f"threshold {threshold}, expected 1 or more")
    return threshold
