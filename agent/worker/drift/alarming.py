"""From evidence to alarms: what is said, under which name, and how often.

A detector that has alarmed is silent until a verdict has closed: on a stream that drifts it would alarm on and on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from agent.worker.drift.commissioning import ARRIVAL
from agent.worker.drift.e_detectors import Evidence
from agent.worker.drift.faults import REFUSED, REPEATED
from agent.worker.drift.port import Alarm
from agent.worker.drift.verdicts import Sample

_STUCK_FRAMES = 10  # in a row; two equal rows of a table are no fault


class Alarming:
    """Turns evidence into alarms.

    Args:
        signals: Names of the signals, in the order of their values.

    Attributes:
        attribution: What drove the last alarm, with shares of 1; empty when the last verdict had none.
    """

    def __init__(self, signals: Sequence[str]) -> None:
        self._signals = tuple(signals)
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self.attribution: tuple[tuple[str, float], ...] = ()
        self._silent: set[str] = set()
        self._is_lasting = False

    def begins(self) -> bool:
        """Whether an alarm of now is the first for a while; asked once for each."""
        was_lasting, self._is_lasting = self._is_lasting, True
        return not was_lasting

    def on_verdict(self) -> dict[str, float]:
        """A verdict closes: its attribution; detectors may speak again."""
        if not self._silent:
            self.attribution = ()
        self._is_lasting = bool(self._silent)
        self._silent.clear()
        return dict(self.attribution)

    def alarms(
        self,
        evidence: Sequence[Evidence],
        sample: Sample | None,
        position: int,
        *,
        repeats: int,
        thin: int,
        arrives: bool,
    ) -> list[Alarm]:
        """What is said of the evidence.

        Args:
            evidence: Of the e-detectors.
            sample: The frame; None for a label.
            position: Of the frame.
            repeats: Frames in a row that repeat the one before: a sensor that is stuck is named before what it shows.
            thin: One of so many frames counts.
            arrives: Whether no verdict was given here yet.
        """
        alarms: list[Alarm] = []
        for each in evidence:
            self.attribution = ((REPEATED, 1.0),) if repeats >= max(_STUCK_FRAMES, thin) else each.ranked
            signal = self.attribution[0][0] if self.attribution else ""
            if each.detector in self._silent:
                continue
            self._silent.add(each.detector)
            detector = ARRIVAL if arrives and sample is not None else each.detector
            value = self._value(sample, signal)
            alarms.append(Alarm(position=position, signal=signal, detector=detector, value=value))
        return alarms

    def _value(self, sample: Sample | None, signal: str) -> float:
        if sample is None or sample.values is None or signal not in self._signals:
            return 1.0 if signal in (REFUSED, REPEATED) else 0.0
        value = float(sample.values[self._signals.index(signal)])
        return value if math.isfinite(value) else 0.0
