"""Ten million independent draws from held-out frames through the bank and the class shares: how often they alarm."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from edge_models.drift import SHARES, Bets, ClassPrior, StreamBank, threshold
from edge_models.drift.class_prior import nearest_in_box
from tests.benchmarks.drifts.images import Pictures
from tests.benchmarks.harness import Row, Target

DRAWS = 10_000_000
BANK_STREAMS, PRIOR_STREAMS = 100, 1000
RATE_HZ = 1.0
_DECAYS = np.array([0.99, 0.995, 0.998])  # of edge_models.drift.class_prior
_PRIOR_FRAMES = 20.0


def false_alarms(known: Pictures, told: Callable[[int, int], None]) -> tuple[list[Row], list[Target]]:
    """Both detectors at the thresholds of one false alarm a month at one frame a second."""
    started = time.process_time()
    bank = _of_bank(known, told)
    prior = _of_class_prior(known)
    distinct = len(known.null)
    row = Row(
        name=f"false alarms, i.i.d. draws from {distinct} distinct frames of {len(known.scenes.x)} pictures",
        values={
            "draws": DRAWS,
            "false": bank + prior,
            "by e_bank": bank,
            "by class_prior": prior,
            "CPU s": round(time.process_time() - started, 1),
        },
    )
    return [row], [Target(name="false alarms in 10 million i.i.d. draws", value=bank + prior, op="<=", target=1)]


def _of_bank(known: Pictures, told: Callable[[int, int], None]) -> int:
    bets = Bets(known.watcher.profile)
    bank = StreamBank(bets, threshold(RATE_HZ, 1, 1.0, SHARES["e_bank"]), BANK_STREAMS)
    factors = bank.factors(bets.batch(bets.columns.batch(known.null.values), known.null.predicted))
    rng = np.random.default_rng(31)
    steps, alarms = DRAWS // BANK_STREAMS, 0
    for step in range(steps):
        alarms += int(bank.update(factors[rng.integers(0, len(factors), BANK_STREAMS)]).sum())
        if step % (steps // 20) == 0:
            told(step, steps)
    return alarms


def _of_class_prior(known: Pictures) -> int:
    """The same arithmetic as ``ClassPrior.update``, over many streams at once."""
    limit = threshold(RATE_HZ, 1, 1.0, SHARES["class_prior"])
    one = ClassPrior.of(known.watcher.profile.contexts, limit)
    streams, decays, classes = PRIOR_STREAMS, len(_DECAYS), one._prior.size
    counts = np.zeros((streams, decays, classes))
    sums, scale = np.zeros((streams, decays)), np.ones(streams * decays)
    rng = np.random.default_rng(32)
    everyone, alarms = np.arange(streams), 0
    for _ in range(DRAWS // streams):
        drawn = known.null.predicted[rng.integers(0, len(known.null), streams)]
        q = counts + _PRIOR_FRAMES * one._prior
        q /= q.sum(axis=2, keepdims=True)
        flat = q.reshape(-1, classes)
        nearest, scale, allowed = nearest_in_box(flat, one._low, one._high, scale)
        pays = (flat / nearest / allowed[:, None]).reshape(q.shape)
        sums = (sums + 1) * pays[everyone, :, drawn]
        counts *= _DECAYS[:, None]
        counts[everyone, :, drawn] += 1
        over = sums.mean(axis=1) >= limit
        alarms += int(over.sum())
        sums[over] = 0
    return alarms
