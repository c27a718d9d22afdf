"""SHADOW, judged: may the candidate take the active model's place? A pure function of the comparison so far.

The candidate has seen copies of the frames that the active model has seen. In this order:

    memory       resident memory within ``max_memory_mb``                                            at once
    not_finite   every output is a finite number                                                     at once
    constant     unlike frames get unlike outputs                                                    at once
    no_traffic   too few frames by the deadline: ``without_traffic`` says whether that is a fault
    labels       from ``min_labels`` labelled frames on: not worse than the active model (sign test, 1 %)
    drifts       its drift against its own profile is below the active model's, or small
    too_slow     p95 of 60 frames or more within ``max_slowdown`` times the active model's, or below 10 ms
    disagrees    agreement of at least ``min_agreement``, unless the bundle answers a drift request

Agreement is always among the figures. It gates only what answers no request of this device: a cure must differ from
the disease. Of such an answer it is also asked that its drift is truly below; any other bundle may be as far from its
profile as the active model is from its own, within the 0.05 by which two profiles that are estimates may differ.
"""

from __future__ import annotations

import math

from agent import ipc
from agent.config import ShadowConfig
from agent.core.judgement import (
    DRIFT_MARGIN,
    MIN_FRAMES,
    Fault,
    Judgement,
    figures,
    is_small,
    overweight,
    slowness,
)

LUCK = 0.01  # chance at which labelled frames call an equally good candidate worse
_EXACT = 1000  # discordant frames up to which the binomial tail is summed


def judge_shadow(seen: ipc.ShadowVerdict, settings: ShadowConfig, *, answers_request: bool, is_over: bool) -> Judgement:
    """Weigh a comparison.

    Args:
        seen: All figures so far.
        settings: Limits.
        answers_request: Whether the bundle answers a drift request, so that it has to differ.
        is_over: Whether the deadline has come, so that there will be no more frames.
    """
    evidence = _evidence(seen)
    broken = _broken(seen, settings)
    if broken is not None:
        return Judgement(verdict="fault", code=broken[0], message=broken[1], evidence=evidence)
    if seen.n < settings.frames and not is_over:
        return Judgement(verdict="wait", evidence=evidence)
    if seen.n < min(MIN_FRAMES, settings.frames):
        message = f"{seen.n} frames in {settings.deadline_s:g} s, expected {settings.frames}"
        is_fault = settings.without_traffic == "reject"
        return Judgement(verdict="fault" if is_fault else "pass", code="no_traffic", message=message, evidence=evidence)
    worse = _worse(seen, settings, answers_request=answers_request)
    if worse is not None:
        return Judgement(verdict="fault", code=worse[0], message=worse[1], evidence=evidence)
    return Judgement(verdict="pass", evidence=evidence)


def worse_by_chance(right: int, other_right: int, discordant: int) -> float:
    """Chance that a model as good as the other one has no more right answers than this, of the same frames.

    The sign test (McNemar, exact): of the frames on which one of the two is right and the other wrong, an equally good
    model has each with probability 1/2.

    Args:
        right: Right answers of the model.
        other_right: Right answers of the other one.
        discordant: At most so many frames on which exactly one is right.

    >>> round(worse_by_chance(20, 29, 9), 3), round(worse_by_chance(85, 95, 20), 3), worse_by_chance(9, 9, 0)
    (0.002, 0.021, 1.0)
    """
    behind = other_right - right
    if behind <= 0:
        return 1.0
    n = max(discordant, behind)
    n += (n - behind) % 2  # the two counts of discordant frames are whole numbers
    wins = (n - behind) // 2
    if n > _EXACT:
        return 0.5 * math.erfc((behind - 1) / math.sqrt(2 * n))
    return math.fsum(math.comb(n, k) for k in range(wins + 1)) / 2.0**n


def _broken(seen: ipc.ShadowVerdict, settings: ShadowConfig) -> Fault | None:
    """What need not be looked at for longer."""
    heavy = overweight(seen.rss_kb, settings.max_memory_mb)
    if heavy is not None:
        return heavy
    if seen.nan:
        return "not_finite", f"{seen.nan} of {seen.n} outputs are no finite numbers"
    if seen.constant:
        return "constant", f"the same output to each of {seen.n} frames, which are not alike"
    return None


def _worse(seen: ipc.ShadowVerdict, settings: ShadowConfig, *, answers_request: bool) -> Fault | None:
    """What speaks against it beside the active model."""
    if seen.labelled >= settings.min_labels and _chance(seen) < LUCK:
        return "labels", (
            f"{seen.right} of {seen.labelled} labelled frames right, the active model has {seen.active_right}"
        )
    drift = _drift(seen, 0.0 if answers_request else DRIFT_MARGIN)
    if drift is not None:
        return drift
    slow = slowness(seen.p95_us, seen.active_p95_us, seen.n, settings.max_slowdown, "the active model")
    if slow is not None:
        return slow
    share = seen.agree / max(seen.n, 1)
    if not answers_request and share < settings.min_agreement:
        return "disagrees", (
            f"agrees on {share:.0%} of {seen.n} frames, expected {settings.min_agreement:.0%}, and answers no request"
        )
    return None


def _drift(seen: ipc.ShadowVerdict, margin: float) -> Fault | None:
    effect, active = seen.effect, seen.active_effect
    if effect is None or active is None or is_small(effect, seen.n) or effect < active + margin:
        return None
    return "drifts", f"drift {effect:.2f} against its own profile, the active model has {active:.2f} against its own"


def _chance(seen: ipc.ShadowVerdict) -> float:
    """Of the labels, under the most cautious number of discordant frames that the totals allow."""
    only_active = min(seen.active_right, seen.labelled - seen.right)
    only_candidate = min(seen.right, seen.labelled - seen.active_right)
    at_most = min(only_active + only_candidate, seen.n - seen.agree)
    return worse_by_chance(seen.right, seen.active_right, max(at_most, 0))


def _evidence(seen: ipc.ShadowVerdict) -> dict[str, float]:
    labelled = bool(seen.labelled)
    return figures(
        n=seen.n,
        agreement=seen.agree / seen.n if seen.n else None,
        not_finite=seen.nan,
        constant=seen.constant,
        effect=seen.effect,
        active_effect=seen.active_effect,
        p95_us=seen.p95_us or None,
        active_p95_us=seen.active_p95_us,
        confidence=seen.confidence,
        labelled=seen.labelled,
        right=seen.right if labelled else None,
        active_right=seen.active_right if labelled else None,
        rss_mb=seen.rss_kb / 1024 if seen.rss_kb else None,
    )
