"""The core as a whole: what is told and kept of an episode of drift."""

from __future__ import annotations

import pytest

from agent import ipc
from agent.core import commands as do
from agent.core import events as ev
from agent.core.episode_record import MAX_EPISODE_BYTES, MAX_POINTS
from edge_models.fields import canonical_json
from edge_models.wire.codec import encode_message
from edge_models.wire.command import Reply
from edge_models.wire.drift import DriftReport
from edge_models.wire.telemetry import DriftLevel, DriftState, Stats
from edge_models.wire.topics import CommandVerb
from edge_models.wire.update import ModelRequest
from tests.unit.agent.whole_core import PROFILE, Device, messages
from tests.unit.agent.world import bundle, only, published, running


class TestDrift:
    """What is told and kept of an episode."""

    def report(self, actions: list[do.Action]) -> DriftReport:
        report = messages(DriftReport, actions)[-1]
        assert isinstance(report, DriftReport)
        return report

    def test_verdict_says_how_much_what_and_since_when(self) -> None:
        device = Device(running("a"))
        device.verdicts(0.02)

        report = self.report(device.drift())

        assert (report.state, report.level, report.signal, report.context) == (
            DriftState.REQUESTED, DriftLevel.CRITICAL, "mean", "day",
        )  # fmt: skip
        assert (report.attribution, report.changed_at, report.detector) == ({"mean": 0.8, "std": 0.2}, 401, "e_bank")
        assert (report.estimated_accuracy, report.estimated_impact) == (0.6, 0.3)
        assert (report.estimated_impact_low, report.estimated_impact_high) == (0.2, 0.4)

    def test_calm_device_tells_when_another_context_is_active_and_when_commissioning_is_over(self) -> None:
        device = Device(running("a"))
        told = []
        for context, commissioned in (("day", False), ("day", False), ("day", True), ("night", True), ("night", True)):
            verdict = ipc.Verdict(
                start=1, position=200, n=200, n_effective=200, profile=PROFILE, context=context, effects={"mean": 0.01},
                signature={"mean": 0.0}, commissioned=commissioned,
            )  # fmt: skip
            said = messages(DriftReport, device.tell(ev.WorkerVerdict(verdict=verdict)))
            told.append([one.context for one in said if isinstance(one, DriftReport)])

        assert told == [["day"], [], ["day"], ["night"], []]

    def test_dismissed_as_benign_it_is_known_and_not_asked_about(self) -> None:
        device = Device(running("a"))
        device.drift()

        actions = device.command(CommandVerb.DISMISS, benign=True, **{"as": "night"})
        report = self.report(device.verdicts(0.5))

        assert published("model/request", actions) == [None]
        assert (report.state, report.known, report.benign) == (DriftState.CONFIRMED, "night", True)
        assert report.waits_for == "benign"

    def test_what_is_benign_can_be_taken_back(self) -> None:
        device = Device(running("a"))
        device.drift()
        device.command(CommandVerb.DISMISS, "c1", benign=True, **{"as": "night"})

        taken = device.command(CommandVerb.DISMISS, "c2", benign=False, **{"as": "night"})
        again = device.command(CommandVerb.DISMISS, "c3", benign=False, **{"as": "night"})

        assert [reply.code for reply in (*replies(taken), *replies(again))] == ["ok", "unknown_drift"]

    @pytest.mark.parametrize("name", ["", "Night Time", "x" * 33, 7, None])
    def test_name_that_is_none_is_refused(self, name: str) -> None:
        device = Device(running("a"))
        device.drift()

        (reply,) = replies(device.command(CommandVerb.DISMISS, benign=True, **{"as": name}))

        assert reply.code == "bad_args"

    def test_without_drift_nothing_is_benign(self) -> None:
        (reply,) = replies(Device(running("a")).command(CommandVerb.DISMISS, benign=True))

        assert reply.code == "no_drift"

    def test_rebaseline_teaches_the_worker_a_context_even_if_it_dies_meanwhile(self) -> None:
        device = Device(running("a"))
        device.drift()

        told = device.command(CommandVerb.REBASELINE, forget=True, **{"as": "winter"})
        fresh = device.tell(ev.WorkerStarted())
        saved = ev.WorkerDriftSaved(bundle=bundle("a"), saved=ipc.DriftSaved(kind="contexts"), body=b"c")
        learnt = device.tell(saved)

        dropped = do.StoreDrift(bundle=bundle("a"), kind="contexts", body=b"")
        assert told.index(dropped) < told.index(do.TellWorker(message=ipc.ResetDrift(learn="winter", forget=True)))
        assert do.TellWorker(message=ipc.ResetDrift(learn="winter")) in fresh
        assert do.StoreDrift(bundle=bundle("a"), kind="contexts", body=b"c") in learnt
        assert only(do.StoreRequest, learnt)[-1].record.policy.learning is None
        assert ipc.ResetDrift(learn="winter") not in [
            action.message for action in only(do.TellWorker, device.tell(ev.WorkerStarted()))
        ]

    def test_contexts_that_were_dropped_are_not_the_one_that_is_learnt(self) -> None:
        device = Device(running("a"))
        device.command(CommandVerb.REBASELINE, forget=True, **{"as": "winter"})

        device.tell(ev.WorkerDriftSaved(bundle=bundle("a"), saved=ipc.DriftSaved(kind="contexts"), body=b""))

        assert device.core.episode.policy.record.learning == "winter"

    def test_calm_writes_nothing(self) -> None:
        device = Device(running("a"))
        device.verdicts(*[0.02] * 5)

        stored = device.verdicts(*[0.02] * 20)

        assert not only(do.StoreRequest, stored)
        assert not only(do.StoreEpisode, stored)

    def test_story_of_the_episode_is_kept(self) -> None:
        device = Device(running("a"))
        device.verdicts(*[0.02] * 10)
        device.drift()

        (*_, story) = only(do.StoreEpisode, device.verdicts(0.01, 0.01))

        steps = [(step.sign, step.state) for step in story.record.steps]
        assert steps == [
            ("alarm", DriftState.SUSPECT), ("confirmed", DriftState.CONFIRMED), ("ask", DriftState.REQUESTED),
            ("quiet", DriftState.RECOVERED),
        ]  # fmt: skip
        assert story.record.steps[-1].note == "request q1 closed: recovered"
        assert [point.effect for point in story.record.points][-4:] == [0.5, 0.5, 0.01, 0.01]
        assert len(story.record.points) == 12  # eight of them from before
        assert (story.record.request, story.record.level) == ("q1", DriftLevel.CRITICAL)

    def test_story_of_a_year_stays_short(self) -> None:
        device = Device(running("a"))
        device.drift()
        told = device.verdicts(*[0.5] * 2000)

        stories = only(do.StoreEpisode, told)

        assert len(stories) < 100
        assert all(len(story.record.points) <= MAX_POINTS for story in stories)
        assert len(canonical_json(stories[-1].record)) <= MAX_EPISODE_BYTES
        assert stories[-1].record.points[0].position < 400

    def test_false_alarm_does_not_overwrite_a_real_episode(self) -> None:
        device = Device(running("a"))
        device.drift()
        device.verdicts(*[0.01] * 8)
        alarm = ipc.Alarm(position=device.position - 1, signal="mean", detector="e_bank")
        device.position += 1

        told = [*device.tell(ev.WorkerAlarm(alarm=alarm)), *device.verdicts(0.01, 0.01, 0.01)]

        assert not only(do.StoreEpisode, told)

    @pytest.mark.parametrize(("signals", "length", "kept"), [(25, 12, 25), (64, 60, 12)])
    def test_request_fits_its_message_however_many_signals_there_are(
        self, signals: int, length: int, kept: int
    ) -> None:
        device = Device(running("a"))
        names = [f"{number:03d}".ljust(length, "x") for number in range(signals)]
        alarm = ipc.Alarm(position=0, signal=names[0], detector="e_bank")
        verdict = ipc.Verdict(
            start=1, position=200, n=200, n_effective=200, profile=PROFILE, effects=dict.fromkeys(names, 0.612),
            signature=dict.fromkeys(names, -0.5), attribution=dict.fromkeys(names, 0.015), evidence="x" * 4096,
            evidence_n=400,
        )  # fmt: skip

        told = device.tell(ev.WorkerAlarm(alarm=alarm), *[ev.WorkerVerdict(verdict=verdict)] * 2)

        (request,) = messages(ModelRequest, told)
        assert isinstance(request, ModelRequest)
        assert request.evidence is not None
        assert len(request.evidence.effects) == kept
        assert all(encode_message(report) for report in messages(DriftReport, told))

    def test_row_says_how_many_frames_count(self) -> None:
        device = Device(running("a"))
        device.verdicts(0.02, 0.02, faults={"repeated": 3})

        rows = [message for _ in range(2) for message in messages(Stats, device.window()) if isinstance(message, Stats)]

        assert [(row.thin, row.faults) for row in rows] == [(4, {"repeated": 6}), (4, {})]


def replies(actions: list[do.Action]) -> list[Reply]:
    return [action.message for action in only(do.Publish, actions) if isinstance(action.message, Reply)]
