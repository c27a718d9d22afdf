"""One River detector for each signal, with the false-alarm budget shared between them.

ADWIN (Bifet & Gavalda 2007) finds a change of a stream against its own past; its ``delta`` bounds the probability of
a false one. With k signals each detector gets delta / k (Bonferroni), so that the device as a whole keeps the figure
that the configuration names. Values reach the detectors scaled to 0..1 (``agent.worker.drift.scale``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from agent.worker.drift.loader import ChangeDetector, canonical_name, detector
from agent.worker.drift.port import Alarm
from agent.worker.drift.scale import Scale
from agent.worker.errors import DetectorError

WARM_UP_FRAMES = 100  # half of the smallest useful window: what a stream does before is its start, not a change
ERROR_SIGNAL = "error"  # 1 for a prediction that feedback called wrong, else 0: what binary detectors take
_TAKES_HITS = ("fhddm",)  # alarms when its mean falls, so 1 must be a hit, whatever River's docstring says
_DRAWS_AT_RANDOM = ("kswin",)  # without a seed two runs over the same frames would differ
_SIGNIFICANCE = {"adwin": "delta", "kswin": "alpha"}  # parameters that are probabilities of a false alarm
_DEFAULT_SIGNIFICANCE = {"adwin": 0.002, "kswin": 0.005}  # River's own defaults


class PerSignal:
    """Watches each of ``signals`` with its own River detector.

    Args:
        name: Name of the detector in the configuration and in alarms.
        signals: Names of the signals to watch; others are ignored.
        scale: Brings a value to 0..1; None leaves values as they are.
        warm_up: Values of a signal after a start or reset during which its detector learns and does not alarm.
        parameters: Of River's constructor.

    Raises:
        DetectorError: River does not have the detector, or refuses the parameters.
    """

    def __init__(
        self,
        name: str,
        *,
        signals: Sequence[str],
        scale: Scale | None,
        warm_up: int = WARM_UP_FRAMES,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self._scale = scale
        self._warm_up = warm_up
        kind = canonical_name(name)
        self._parameters = shared_budget(kind, dict(parameters or {}), len(signals))
        if kind in _DRAWS_AT_RANDOM:
            self._parameters.setdefault("seed", 0)
        self._takes_hits = kind in _TAKES_HITS
        self._signals = tuple(signals)
        self._detectors: dict[str, ChangeDetector] = {}
        self._seen: dict[str, int] = {}
        self.reset()

    def update(self, signals: Mapping[str, float], predicted: int | None, position: int) -> Sequence[Alarm]:  # noqa: ARG002 - the port offers it
        """Take one frame's signals; a value that is no finite number is left out."""
        alarms: list[Alarm] = []
        for signal, river in self._detectors.items():
            value = signals.get(signal)
            if value is None or not math.isfinite(value):
                continue
            scaled = value if self._scale is None else self._scale(signal, value)
            if scaled is None:
                continue
            river.update(1.0 - scaled if self._takes_hits else scaled)
            self._seen[signal] += 1
            if river.drift_detected and self._seen[signal] > self._warm_up:
                alarms.append(Alarm(position=position, signal=signal, detector=self.name, value=value))
        return alarms

    def reset(self) -> None:
        """Begin again with fresh detectors."""
        self._detectors = {signal: detector(self.name, **self._parameters) for signal in self._signals}
        self._seen = dict.fromkeys(self._signals, 0)


def shared_budget(name: str, parameters: dict[str, Any], signals: int) -> dict[str, Any]:
    """The parameters with the probability of a false alarm divided among the signals.

    Raises:
        DetectorError: It is no probability; River itself would take it and be silent for ever, or never be.
    """
    significance = _SIGNIFICANCE.get(name)
    if significance is None:
        return parameters
    value = parameters.get(significance, _DEFAULT_SIGNIFICANCE[name])
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1:
        raise DetectorError(f"drift detector {name}: found {significance} {value!r}, expected a number between 0 and 1")
    return {**parameters, significance: value / max(signals, 1)}
