"""PROVISIONAL, judged: is the new model well while it is the active one? A pure function of one look at it.

    golden       the golden inputs give the golden outputs
    not_finite   every output is a finite number
    constant     unlike frames get unlike outputs
    memory       resident memory within ``shadow.max_memory_mb``
    too_slow     p95 of 60 frames or more within ``max_slowdown`` times the last good model's, or below 10 ms
    confidence   mean confidence of at least ``min_confidence_ratio`` of its profile's, or of the last good model's
    drifts       drift against its own profile small, or not above the last good model's by more than 0.05

The last four need frames; the first ones do not wait. The last good model's figures were remembered when it made room.
The same look at a committed model says whether to tell that it is unwell.
"""

from __future__ import annotations

import math

from agent import ipc
from agent.config import UpdateConfig
from agent.core.judgement import (
    DRIFT_MARGIN,
    Fault,
    Judgement,
    figures,
    is_small,
    overweight,
    slowness,
)
from agent.core.records import GoodFigures
from edge_models.manifest import BundleId

MIN_HEALTH_FRAMES = 50  # a mean confidence over these has a standard error below 0.07
_UNKNOWN = GoodFigures(bundle=BundleId("0" * 64))


def judge_soak(
    health: ipc.ModelHealth | None, rss_kb: int, settings: UpdateConfig, good: GoodFigures | None
) -> Judgement:
    """Weigh how the active model does.

    Args:
        health: Its last frames; None while there are too few.
        rss_kb: Resident memory of its worker; 0 where it cannot be read.
        settings: Limits.
        good: The last good model's figures; None where there was none.
    """
    fault = overweight(rss_kb, settings.shadow.max_memory_mb)
    rss_mb = rss_kb / 1024 if rss_kb else None
    if health is None:
        evidence = figures(rss_mb=rss_mb)
    else:
        before = good or _UNKNOWN
        evidence = _evidence(health, before, rss_mb)
        fault = _broken(health) or fault or _worse(health, settings, before)
    if fault is None:
        return Judgement(verdict="pass", evidence=evidence)
    return Judgement(verdict="fault", code=fault[0], message=fault[1], evidence=evidence)


def good_figures(bundle: BundleId, health: ipc.ModelHealth | None) -> GoodFigures | None:
    """What to remember of a model that makes room for a new one."""
    if health is None or health.n < MIN_HEALTH_FRAMES:
        return None
    return GoodFigures(
        bundle=bundle,
        p95_us=_finite(health.p95_us),
        effect=_finite(health.effect),
        confidence=_finite(health.confidence),
    )


def _broken(health: ipc.ModelHealth) -> Fault | None:
    if health.golden_ok is False:
        return "golden", "the golden inputs do not give the golden outputs"
    if health.not_finite:
        return "not_finite", f"{health.not_finite} of {health.n} outputs are no finite numbers"
    if health.constant:
        return "constant", f"the same output to each of {health.n} frames, which are not alike"
    return None


def _worse(health: ipc.ModelHealth, settings: UpdateConfig, before: GoodFigures) -> Fault | None:
    if health.n < MIN_HEALTH_FRAMES:
        return None
    limits = settings.provisional
    slow = slowness(health.p95_us, before.p95_us, health.n, limits.max_slowdown, "the last good model")
    return slow or _unsure(health, limits.min_confidence_ratio, before) or _drift(health, before)


def _unsure(health: ipc.ModelHealth, ratio: float, before: GoodFigures) -> Fault | None:
    """A model that is no less sure than the one before it has not collapsed: the input is hard."""
    found, reference = health.confidence, health.reference_confidence
    if found is None or reference is None or found >= ratio * reference:
        return None
    if before.confidence is not None and found >= before.confidence:
        return None
    return "confidence", f"mean confidence {found:.2f}, expected at least {ratio:g} of the profile's {reference:.2f}"


def _drift(health: ipc.ModelHealth, before: GoodFigures) -> Fault | None:
    effect, other = health.effect, before.effect
    if effect is None or other is None or is_small(effect, health.n) or effect < other + DRIFT_MARGIN:
        return None
    return "drifts", f"drift {effect:.2f} against its own profile, the last good model had {other:.2f} against its own"


def _evidence(health: ipc.ModelHealth, before: GoodFigures, rss_mb: float | None) -> dict[str, float]:
    return figures(
        n=health.n,
        golden_ok=health.golden_ok,
        not_finite=health.not_finite,
        constant=health.constant,
        rss_mb=rss_mb,
        p95_us=health.p95_us,
        confidence=health.confidence,
        reference_confidence=health.reference_confidence,
        effect=health.effect,
        good_p95_us=before.p95_us,
        good_effect=before.effect,
        good_confidence=before.confidence,
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
