"""Detectors by the names that a configuration gives them.

An item of ``drift.detectors`` is a name, optionally ``signals`` (names of signals to watch), and the parameters of the
detector. A name that is not registered here is looked up in River, so any detector of River can be used.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.worker.drift.loader import is_binary, is_installed
from agent.worker.drift.per_signal import ERROR_SIGNAL, PerSignal
from agent.worker.drift.port import DriftDetector
from agent.worker.drift.scale import OwnPastScale, ReferenceScale, Scale
from agent.worker.errors import DetectorError
from edge_models.drift.budget import SHARES

log = logging.getLogger(__name__)

OWN_PAST_FRAMES = 100  # frames that stand in for a reference when the artifact has no profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What there is to watch on an artifact.

    Attributes:
        signals: Names of its signals.
        edges: Quantile edges of each signal in the reference; empty without a profile.
    """

    signals: tuple[str, ...]
    edges: Mapping[str, Sequence[float]]

    def scale(self) -> Scale:
        """A fresh scale for one detector."""
        return ReferenceScale(self.edges) if self.edges else OwnPastScale(frames=OWN_PAST_FRAMES)


Builder = Callable[[str, Watched, Mapping[str, Any]], DriftDetector]
BUILDERS: dict[str, Builder] = {}
"""Detectors of our own by name; River's need no entry."""


def river_items(items: Sequence[Mapping[str, object]], *, has_profile: bool) -> tuple[Mapping[str, object], ...]:
    """What is left for River of the configured detectors: those that the trigger does not run itself.

    Without a profile there is nothing that e-detectors could compare with; if nothing else was named, ADWIN watches the
    stream against its own past instead. Without River nothing is left.
    """
    rest = tuple(item for item in items if item.get("name") not in SHARES)
    if not rest and not has_profile and items:
        rest = ({"name": "adwin"},)
    if rest and not is_installed():
        names = ", ".join(str(item.get("name")) for item in rest)
        log.warning("River cannot be loaded: left out detectors=%s", names)
        return ()
    return rest


def build_detectors(items: Sequence[Mapping[str, object]], watched: Watched) -> tuple[DriftDetector, ...]:
    """The configured detectors.

    Raises:
        DetectorError: A name, a signal or a parameter does not exist.
    """
    return tuple(_build(item, watched) for item in items)


def _build(item: Mapping[str, object], watched: Watched) -> DriftDetector:
    name = item.get("name")
    if not isinstance(name, str):
        raise DetectorError(f"drift.detectors: found {dict(item)}, expected an item with a name such as adwin")
    parameters = {key: value for key, value in item.items() if key not in ("name", "signals")}
    chosen = _signals(name, item.get("signals"), watched)
    if name in BUILDERS:
        return BUILDERS[name](name, Watched(signals=chosen, edges=watched.edges), parameters)
    scale = None if is_binary(name) else watched.scale()
    return PerSignal(name, signals=chosen, scale=scale, parameters=parameters)


def _signals(name: str, wanted: object, watched: Watched) -> tuple[str, ...]:
    if wanted is None:
        return (ERROR_SIGNAL,) if name not in BUILDERS and is_binary(name) else watched.signals
    known = (*watched.signals, ERROR_SIGNAL)
    if not isinstance(wanted, (list, tuple)) or not wanted or any(signal not in known for signal in wanted):
        raise DetectorError(f"drift.detectors: {name}: found signals {wanted}, expected some of {', '.join(known)}")
    return tuple(str(signal) for signal in wanted)
