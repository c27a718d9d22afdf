"""What a device keeps of its drift through a power cut, with everything full: 25 signals and 12 classes."""

from __future__ import annotations

import numpy as np

from agent.core.fingerprint import MAX_ASKED, MAX_BENIGN, Fingerprint, packed
from agent.core.pause import pause_of
from agent.core.records import Now
from agent.core.request_record import PolicyRecord, RequestRecord
from agent.worker.pipeline import PipelineResult
from edge_models.fields import canonical_json
from edge_models.profile import build_profile
from edge_models.wire.drift import MAX_NAME_CHARS
from edge_models.wire.telemetry import DriftState
from edge_models.wire.values import Timestamp
from tests.unit.agent_worker.watched_stream import Played

SIGNALS = tuple(f"signal_{i:02d}_of_many" for i in range(25))
CLASSES = 12
ENTERED = Timestamp("2026-11-22T19:30:48.080Z")
NOW = Now(monotonic_s=31_556_952.123, utc_s=1_790_000_000.123)


def test_trigger_and_policy_take_at_most_four_kilobytes_together() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, CLASSES, 4000)
    profile = build_profile(SIGNALS, rng.normal(size=(4000, 25)), truth, CLASSES, truth=truth)
    played = Played(profile=profile)
    for row, label in zip(rng.normal(0.3, 1, size=(1500, 25)), rng.integers(0, 3, 1500).tolist(), strict=True):
        played.step(rng.normal(size=4), PipelineResult(predicted=label, confidence=0.9, calibrated=0.9, signals=row))
        played.trigger.on_label(is_right=bool(rng.random() < 0.5), position=0)
    trigger = dict(played.trigger.unsaved(at_once=True))["trigger"]

    names = (*SIGNALS, *(f"class {i}" for i in range(CLASSES)))
    kept = canonical_json(RequestRecord(state=DriftState.CONFIRMED, policy=full_policy(names, rng)))

    assert len(trigger) + len(kept) <= 4096, (len(trigger), len(kept))


def full_policy(names: tuple[str, ...], rng: np.random.Generator) -> PolicyRecord:
    """All fingerprints that there can be, of long names, all moving every signal and class."""

    def shift() -> str:
        return packed({name: float(rng.uniform(0.5, 1)) for name in names})

    fingerprints = tuple(
        Fingerprint(
            name=f"{number}".ljust(MAX_NAME_CHARS, "x"),
            benign=number < MAX_BENIGN,
            shift=shift(),
            pause=None if number < MAX_BENIGN else pause_of(2_764_800.0, NOW),
        )
        for number in range(MAX_BENIGN + MAX_ASKED)
    )
    return PolicyRecord(
        over=4, calm=3, quiet=2, detector="class_prior", signal=names[0], since=ENTERED,
        suspected=ENTERED, has_matched=True, on_arrival=True, shift=shift(), asked=99,
        pause=pause_of(2_764_800.0, NOW), fingerprints=fingerprints, learning="x" * MAX_NAME_CHARS,
    )  # fmt: skip
