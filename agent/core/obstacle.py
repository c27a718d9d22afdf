"""What speaks against asking for a model although drift is confirmed."""

from __future__ import annotations

from agent import ipc
from agent.core.fingerprint import Fingerprint
from agent.core.pause import Pause
from agent.core.records import Now

_SENSOR_FAULTS = ("refused", "repeated")  # values out of range may well be what has drifted


def obstacle(known: Fingerprint | None, verdict: ipc.Verdict, cooldown: Pause, now: Now) -> str | None:
    """The first that there is, as ``waits_for`` in ``drift`` names it.

    Args:
        known: The drift seen before that this one is like.
        verdict: The newest one.
        cooldown: After the last request.
        now: The moment.
    """
    if known is not None and known.benign:
        return "benign"
    if 2 * sum(verdict.faults.get(fault, 0) for fault in _SENSOR_FAULTS) > verdict.n:
        return "faults"  # a sensor that delivers nothing needs a screwdriver
    if not verdict.commissioned:
        return "commissioning"
    if not cooldown.is_over(now):
        return "cooldown"
    is_waiting = known is not None and known.pause is not None and not known.pause.is_over(now)
    return "known" if is_waiting else None
