"""What devices will notice: the smallest shift of each signal that raises an alarm in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from converter.report import wording
from converter.report.charts.canvas import legend
from converter.report.charts.estimates import Row, forest
from converter.report.markup import Element, details, node, section, table

Document = Mapping[str, Any]
_UNTOLD = (
    "The smallest shifts cannot be told: there are too few held-out examples, or they differ from the profile already "
    "and alarm as they are. Then a device that sees such data alarms soon, too."
)
_KINDS = ("float", "artifact", "second")


def detectability(document: Document) -> Element | None:
    """Smallest shift found within so many frames, by signal."""
    found = document.get("drift")
    if not found or not found["frames"]:
        return None
    if not found["signals"]:
        return section("Drift that devices find", node("p", _UNTOLD))
    signals, within = found["signals"], found["signals"][0]["within"]
    rows = [
        Row(label=one["signal"], marks=_marks(one["shift_sd"]), shown=_sd(one["shift_sd"][-1]), title=_told(one))
        for one in signals
        if any(shift is not None for shift in one["shift_sd"])
    ]
    drawn: list[Element | str] = []
    if rows:
        marks = legend(*((kind, f"within {n} frames") for kind, n in zip(_KINDS, within, strict=False)))
        chart = forest(rows, "Smallest shift found of each signal", axis=lambda value: f"{value:.2g} sd", zero=True)
        drawn = [marks, chart]
    else:
        drawn = [node("p", "No shift that was tried is found in time; learn from more held-out examples.")]
    note = (
        "The smallest shift of one signal, in its standard deviations, that nine of ten devices find within so many "
        f"independent frames at {found['false_alarms_per_month']:g} false alarm a month and {found['rate_hz']:g} Hz; "
        f"measured on {wording.count(found['frames'])} held-out examples. What moves several signals is found earlier."
    )
    return section("Drift that devices find", *drawn, details("As a table", _table(signals, within)), note=note)


def _marks(shifts: Sequence[float | None]) -> tuple[tuple[Document | None, str], ...]:
    return tuple(
        (None if shift is None else {"value": shift, "low": shift, "high": shift}, kind)
        for shift, kind in zip(shifts, _KINDS, strict=False)
    )


def _told(one: Document) -> str:
    pairs = zip(one["within"], one["shift_sd"], strict=True)
    return f"{one['signal']}: " + ", ".join(f"{_sd(shift)} within {n} frames" for n, shift in pairs)


def _sd(shift: float | None) -> str:
    return wording.NONE if shift is None else f"{shift:.2f} sd"


def _table(signals: Sequence[Document], within: Sequence[int]) -> Element:
    head = ("Signal", *(f"Within {n} frames" for n in within), *(f"Own unit, {n}" for n in within))
    rows = [
        (
            one["signal"],
            *(_sd(shift) for shift in one["shift_sd"]),
            *(wording.NONE if shift is None else f"{shift:.3g}" for shift in one["shift"]),
        )
        for one in signals
    ]
    return table(head, rows, numeric=tuple(range(1, 1 + 2 * len(within))))
