"""Labels that show errors lead through trigger and policy to a request, although no signal shows anything."""

from __future__ import annotations

import numpy as np

from agent import ipc
from agent.core.records import Now
from agent.core.request_outputs import OpenRequest, PolicyOutput, PolicySettings
from agent.core.request_policy import RequestPolicy
from agent.core.severity import LABELS
from edge_models.profile import build_profile
from tests.unit.agent_worker.watched_stream import CLASSES, SIGNALS, Played, normal

NOW = Now(monotonic_s=0.0)


def test_errors_that_labels_show_lead_to_a_request_without_a_model_of_the_impact() -> None:
    truth = np.random.default_rng(0).integers(0, CLASSES, 4000)
    profile = build_profile(SIGNALS, np.random.default_rng(1).normal(size=(4000, 3)), truth, CLASSES, truth=truth)
    played = Played(profile=profile).play(normal(600, seed=1))
    policy = RequestPolicy(PolicySettings(), lambda: "q1")

    said: list[PolicyOutput] = []
    for alarm in [alarm for _ in range(60) for alarm in played.trigger.on_label(is_right=False, position=600)]:
        message = ipc.Alarm(position=alarm.position, signal=alarm.signal, detector=alarm.detector, value=alarm.value)
        said += policy.on_alarm(message, NOW)
    seen = len(played.verdicts)
    for verdict in played.play(normal(1000, seed=2)).verdicts[seen:]:
        said += policy.on_verdict(verdict, NOW)

    assert profile.impact is None
    assert [output.signal for output in said if isinstance(output, OpenRequest)] == [LABELS]
