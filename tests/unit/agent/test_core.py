"""The core as a whole: events in, commands and messages out."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest

from agent import ipc
from agent.config import AgentConfig
from agent.core import commands as do
from agent.core import events as ev
from agent.core.core import Core
from agent.core.episode import begin_episode
from agent.core.episode_record import MAX_EPISODE_BYTES, MAX_POINTS
from agent.core.records import ActiveRecord, UpdateRecord
from agent.core.recovery import recover
from agent.core.reports import Voice
from agent.core.request_record import RequestRecord
from agent.core.sample_budget import SampleBudget
from agent.core.update_table import State
from edge_models.channel import Channel
from edge_models.fields import canonical_json
from edge_models.wire.codec import encode_message
from edge_models.wire.command import Command, Feedback, Reply
from edge_models.wire.drift import DriftReport
from edge_models.wire.predictions import SampleReason
from edge_models.wire.telemetry import DriftLevel, DriftState, Event, Stats
from edge_models.wire.topics import CommandVerb
from edge_models.wire.update import Desired, GroupDesired, ModelRequest, ModelState, UpdateEntity
from tests.unit.agent.world import CONFIG, bundle, channel, moment, only, published, running, target

PROFILE = "0123456789abcdef"
FETCHED = ev.FetchDone(bundle=bundle("b"))
VERIFIED = ev.TargetVerified(model="digits", version="2.0", serial=2, artifact="tflite-int8")


class Device:
    """A core, its time, and everything it said."""

    def __init__(
        self,
        active: ActiveRecord | None = None,
        *,
        record: UpdateRecord | None = None,
        request: RequestRecord | None = None,
        config: AgentConfig = CONFIG,
    ) -> None:
        ids = itertools.count(1)
        present = frozenset(bundle(letter) for letter in "abcdef")
        voice = Voice(device=config.id, boot=4, started_s=moment().monotonic_s)
        episode = begin_episode(
            config, voice, request, moment(), new_id=lambda: f"q{next(ids)}",
            budget=SampleBudget(per_day=3, day_started_s=moment().monotonic_s), capabilities={"arch": "aarch64"},
        )  # fmt: skip
        self.after_s = 0.0
        self.core = Core(
            config=config, recovery=recover(record, active, present), voice=voice, episode=episode,
            rng=random.Random(1), now=moment(),
        )  # fmt: skip
        self.core.start(moment())
        self.position = 0

    @property
    def state(self) -> State:
        return self.core.machine.state

    def tell(self, *events: ev.Event) -> list[do.Action]:
        return [action for event in events for action in self.core.handle(event, moment(self.after_s))]

    def wait(self, seconds: float) -> list[do.Action]:
        self.after_s += seconds
        return self.tell(ev.Tick())

    def command(self, verb: CommandVerb, identity: str | None = "c1", **arguments: bool | str) -> list[do.Action]:
        return self.tell(ev.CommandSeen(verb=verb, command=Command(id=identity, args=dict(arguments))))

    def look(self, seen: Channel) -> list[do.Action]:
        return [*self.wait(1000), *self.tell(ev.ChannelSeen(channel=seen, metadata={"root": 1}))]

    def verdicts(self, *effects: float, faults: dict[str, int] | None = None) -> list[do.Action]:
        actions: list[do.Action] = []
        for effect in effects:
            verdict = ipc.Verdict(
                start=self.position, position=self.position + 199, n=200, n_effective=200, profile=PROFILE,
                context="day", effects={"mean": effect, "std": 0.01}, signature={"mean": -effect, "std": 0.01},
                attribution={"mean": 0.8, "std": 0.2}, class_effect=0.1, class_n=200, accuracy=0.6, accuracy_low=0.5,
                accuracy_high=0.7, accuracy_reference=0.9, changed_at=self.position, evidence="ZXZpZGVuY2U=",
                evidence_n=400, faults=faults or {},
            )  # fmt: skip
            self.position += 200
            self.after_s += 20
            actions += self.tell(ev.WorkerVerdict(verdict=verdict))
        return actions

    def window(self) -> list[do.Action]:
        window = ipc.Window(
            start=self.position, position=self.position + 199, n=200, seconds=20.0, rate_hz=10.0, p50_us=300.0,
            p95_us=400.0, mean_confidence=0.9, classes={"1": 120, "7": 80}, sketch="c2tldGNo", profile=PROFILE,
            thin=4,
        )  # fmt: skip
        return self.tell(ev.WorkerWindow(window=window))

    def drift(self) -> list[do.Action]:
        alarm = ipc.Alarm(position=max(self.position - 1, 0), signal="mean", detector="e_bank", value=0.2)
        self.position += 1
        return [*self.tell(ev.WorkerAlarm(alarm=alarm)), *self.verdicts(0.5, 0.5)]

    def install(self, letter: str) -> list[do.Action]:
        ready = ev.WorkerReady(bundle=bundle(letter))
        ran = ev.WorkerRan(bundle=bundle(letter), frames=50)
        compared = ev.CandidateCompared(n=100, agree=90, nan=0)
        return self.tell(
            ev.FetchDone(bundle=bundle(letter)), VERIFIED, ev.CandidateTested(ok=True), compared, ready, ran
        )


def messages(kind: type, actions: list[do.Action]) -> list[object]:
    return [action.message for action in only(do.Publish, actions) if isinstance(action.message, kind)]


def events(actions: list[do.Action]) -> list[str]:
    return [message.type for message in messages(Event, actions) if isinstance(message, Event)]


def test_device_looks_at_the_channel_at_the_start_and_then_at_every_poll() -> None:
    device = Device(running("a"))

    assert only(do.StartCheck, device.wait(0))
    device.tell(ev.CheckFailed(code="network", message="no answer", transient=True))
    assert not only(do.StartCheck, device.wait(200))
    assert only(do.StartCheck, device.wait(200))


def test_update_by_polling_alone_needs_no_broker() -> None:
    device = Device(running("a"))

    actions = [*device.look(channel("a", "b")), *device.install("b")]

    assert device.state is State.COMMITTED
    assert device.core.active is not None
    assert device.core.active.bundle == bundle("b")
    assert events(actions) == ["update_started", "update_committed"]


def test_hint_is_stored_and_makes_the_device_look() -> None:
    device = Device(running("a"))
    device.look(channel("a"))
    hint = Desired(rev=1, bundle=bundle("b"), rollout="r-1")

    actions = device.tell(ev.DesiredSeen(desired=hint))

    assert only(do.StoreUpdate, actions)[-1].record.own_desired == hint
    assert not only(do.StartFetch, actions)  # a hint alone starts nothing
    assert only(do.StartCheck, device.wait(1))
    assert only(do.StartFetch, device.tell(ev.ChannelSeen(channel=channel("a", "b", chosen="a"))))


def test_forged_hint_at_an_old_bundle_is_refused_and_reported_once() -> None:
    device = Device(running("c", serial=3))
    seen = channel("b", "c", chosen="c")
    device.tell(ev.DesiredSeen(desired=Desired(rev=99, bundle=bundle("a"))))

    first, second = device.look(seen), device.look(seen)

    assert events(first) == ["desired_refused"]
    state = messages(ModelState, first)[-1]
    assert isinstance(state, ModelState)
    assert state.error is not None
    assert state.error.code == "not_listed"
    assert not only(do.StartFetch, first)
    assert events(second) == []


def test_hint_to_a_group_counts_for_its_share() -> None:
    device = Device(running("a"), config=replace(CONFIG, groups=("south",)))
    hint = GroupDesired(rev=1, bundle=bundle("b"), percent=100)

    device.tell(ev.GroupDesiredSeen(group="south", desired=hint))
    actions = device.look(channel("a", "b", chosen="a"))

    assert only(do.StartFetch, actions)


def test_bundle_that_failed_is_not_tried_again_until_the_channel_changes() -> None:
    device = Device(running("a"))
    device.look(channel("a", "b"))
    device.tell(FETCHED, ev.TargetBad(code="unfit", message="no such artifact"))

    assert not only(do.StartFetch, device.look(channel("a", "b", rev=7)))
    assert only(do.StartFetch, device.look(channel("a", "b", rev=8)))


def test_superseded_model_makes_way_for_the_newer_one() -> None:
    device = Device(running("a"))
    device.look(channel("a", "b"))
    device.tell(FETCHED, VERIFIED, ev.CandidateTested(ok=True), ev.CandidateCompared(n=100, agree=90, nan=0))

    device.look(channel("a", "b", "c", rev=8))
    device.tell(ev.WorkerReady(bundle=bundle("a")))
    actions = device.look(channel("a", "b", "c", rev=8))

    assert only(do.StartFetch, actions)[-1].target.bundle == bundle("c")


def test_connect_tells_everything_that_is_retained() -> None:
    device = Device(running("a"))

    actions = device.tell(ev.Connected())

    kinds = {action.kind for action in only(do.Publish, actions)}
    assert {"model/state", "model/update", "model/request", "drift"} <= kinds
    assert only(do.PublishState, actions)


def test_drift_asks_once_with_evidence() -> None:
    device = Device(running("a"))

    actions = device.drift()

    (request,) = messages(ModelRequest, actions)
    assert isinstance(request, ModelRequest)
    assert (request.id, request.bundle, request.signal, request.samples_on_offer) == ("q1", bundle("a"), "mean", 3)
    assert request.evidence is not None
    assert (request.evidence.sketch, request.evidence.n, request.evidence.profile) == ("ZXZpZGVuY2U=", 400, PROFILE)
    assert events(actions) == ["drift_suspected", "drift_confirmed", "model_requested"]
    assert messages(ModelRequest, device.verdicts(0.5, 0.5, 0.5)) == []


def test_request_is_stored_before_it_is_published() -> None:
    device = Device(running("a"))

    actions = device.drift()

    stored = next(
        at for at, action in enumerate(actions) if isinstance(action, do.StoreRequest) and action.record.request
    )
    sent = next(at for at, action in enumerate(actions) if isinstance(getattr(action, "message", None), ModelRequest))
    assert stored < sent


def test_open_request_is_sent_again_unchanged_after_a_restart() -> None:
    device = Device(running("a"))
    stored = only(do.StoreRequest, device.drift())[-1].record

    again = Device(running("a"), request=stored).tell(ev.Connected())

    assert messages(ModelRequest, again) == [stored.request]


def test_worker_collects_evidence_only_while_it_matters_and_keeps_samples_always() -> None:
    device = Device(running("a"))

    orders = [action.message for action in only(do.TellWorker, device.drift())]

    assert ipc.EvidenceOn(on=True) in orders
    assert ipc.SamplesOn(on=True, budget_left=3, signal="mean", drifting=True) in orders
    device.verdicts(0.01)
    calm = [action.message for action in only(do.TellWorker, device.verdicts(0.01))]
    assert calm == [ipc.EvidenceOn(on=False), ipc.SamplesOn(on=True, budget_left=3)]


def test_fresh_worker_is_told_what_the_last_one_knew() -> None:
    device = Device(running("a"))
    device.drift()

    orders = [action.message for action in only(do.TellWorker, device.tell(ev.WorkerStarted()))]

    assert ipc.SamplesOn(on=True, budget_left=3, signal="mean", drifting=True) in orders


def test_answer_closes_the_request_and_the_commit_the_episode() -> None:
    device = Device(running("a"))
    device.drift()
    device.tell(ev.DesiredSeen(desired=Desired(rev=1, bundle=bundle("b"), answers="q1")))

    started = device.look(channel("a", "b"))
    disagreeing = ev.CandidateCompared(n=100, agree=5, nan=0)  # of course: the old model is wrong here
    device.tell(FETCHED, VERIFIED, ev.CandidateTested(ok=True), disagreeing)
    committed = device.tell(ev.WorkerReady(bundle=bundle("b")), ev.WorkerRan(bundle=bundle("b"), frames=50))

    assert published("model/request", started) == [None]
    assert device.state is State.COMMITTED
    report = messages(DriftReport, committed)[-1]
    assert isinstance(report, DriftReport)
    assert (report.state, report.request, report.bundle) == (DriftState.OK, None, bundle("b"))


def test_samples_leave_only_within_the_budget() -> None:
    device = Device(running("a"))
    sample = ipc.SampleOut(seq=1, why=SampleReason.DRIFT, dtype="uint8", shape=(2, 1))

    sent = [len(published("sample", device.tell(ev.WorkerSample(sample=sample, body=b"ab")))) for _ in range(5)]

    assert sent == [1, 1, 1, 0, 0]


def test_samples_never_leave_unless_the_owner_said_so() -> None:
    device = Device(running("a"), config=replace(CONFIG, samples=replace(CONFIG.samples, enabled=False)))
    sample = ipc.SampleOut(seq=1, why=SampleReason.DRIFT, dtype="uint8", shape=(2, 1))

    assert published("sample", device.tell(ev.WorkerSample(sample=sample, body=b"ab"))) == []


def test_stats_row_fits_its_limit_however_many_classes_there_are() -> None:
    device = Device(running("a"))
    window = ipc.Window(
        start=0, position=199, n=200, seconds=1.0, rate_hz=200.0, p50_us=1.0, p95_us=2.0,
        classes={str(number): 10_000_000 for number in range(1000)}, sketch="x" * 1500,
    )  # fmt: skip

    (row,) = messages(Stats, device.tell(ev.WorkerWindow(window=window)))

    assert len(encode_message(row)) <= 2048


def test_drift_that_lasts_writes_nothing_more_about_what_it_looks_like() -> None:
    device = Device(running("a"))
    device.drift()
    device.verdicts(0.5, 0.5)

    assert only(do.StoreRequest, device.verdicts(0.6, 0.55, 0.7, 0.65)) == []


def test_feedback_goes_to_the_worker() -> None:
    actions = Device(running("a")).tell(ev.FeedbackSeen(feedback=Feedback(id="4-17", label=3)))

    assert only(do.TellWorker, actions)[0].message == ipc.Feedback(id="4-17", label=3)


class TestCommands:
    """What an operator can ask for."""

    def reply(self, actions: list[do.Action]) -> Reply:
        reply = messages(Reply, actions)[-1]
        assert isinstance(reply, Reply)
        return reply

    def test_check_looks_at_once(self) -> None:
        device = Device(running("a"))
        device.look(channel("a"))

        assert self.reply(device.command(CommandVerb.CHECK)).ok
        assert only(do.StartCheck, device.wait(0))

    def test_check_without_a_registry_says_why_not(self) -> None:
        device = Device(running("a"), config=replace(CONFIG, update=None))

        reply = self.reply(device.command(CommandVerb.CHECK))

        assert (reply.ok, reply.code) == (False, "no_registry")

    def test_held_device_starts_no_update_until_it_is_released(self) -> None:
        device = Device(running("a"))
        device.command(CommandVerb.HOLD, on=True)

        assert not only(do.StartFetch, device.look(channel("a", "b")))
        device.command(CommandVerb.HOLD, "c2", on=False)
        assert only(do.StartFetch, device.look(channel("a", "b")))

    def test_install_overrules_hold_and_earlier_failure(self) -> None:
        device = Device(running("a"), record=UpdateRecord(held=True).with_bad(target("b")))
        device.look(channel("a", "b"))
        device.command(CommandVerb.INSTALL)

        assert only(do.StartFetch, device.look(channel("a", "b")))

    def test_rollback_goes_to_the_previous_model_and_stays_there(self) -> None:
        device = Device(running("b", serial=2, previous="a"))
        device.look(channel("a", "b"))

        actions = device.command(CommandVerb.ROLLBACK)
        device.tell(ev.WorkerReady(bundle=bundle("a")))

        assert self.reply(actions).ok
        assert device.core.active is not None
        assert device.core.active.bundle == bundle("a")
        assert not only(do.StartFetch, device.look(channel("a", "b")))

    def test_rollback_without_a_previous_model_is_refused(self) -> None:
        reply = self.reply(Device(running("a")).command(CommandVerb.ROLLBACK))

        assert (reply.ok, reply.code) == (False, "nothing_to_roll_back_to")

    def test_command_with_the_same_id_is_done_once(self) -> None:
        device = Device(running("c", serial=3, previous="b"))

        first, second = device.command(CommandVerb.ROLLBACK, "x"), device.command(CommandVerb.ROLLBACK, "x")

        assert only(do.RunActive, first)
        assert not only(do.RunActive, second)
        assert self.reply(first) == self.reply(second)

    def test_dismiss_closes_the_request(self) -> None:
        device = Device(running("a"))
        device.drift()

        actions = device.command(CommandVerb.DISMISS)

        assert published("model/request", actions) == [None]
        assert self.reply(device.command(CommandVerb.DISMISS, "again")).code == "no_request"

    def test_rebaseline_resets_the_detectors(self) -> None:
        device = Device(running("a"))
        device.drift()

        actions = device.command(CommandVerb.REBASELINE)

        assert ipc.ResetDrift(learn="rebaselined") in [action.message for action in only(do.TellWorker, actions)]
        assert published("model/request", actions) == [None]

    def test_snapshot_reports_now(self) -> None:
        actions = Device(running("a")).command(CommandVerb.SNAPSHOT)

        assert only(do.PublishState, actions)
        assert messages(ModelState, actions)
        assert messages(DriftReport, actions)

    def test_wrong_argument_is_refused(self) -> None:
        device = Device(running("a"))
        command = Command(id="c", args={"on": "maybe"})

        reply = self.reply(device.tell(ev.CommandSeen(verb=CommandVerb.HOLD, command=command)))

        assert reply.code == "bad_args"


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


class TestHomeAssistantEntity:
    """Home Assistant's update entity follows the machine."""

    def entity(self, actions: list[do.Action]) -> UpdateEntity:
        entity = messages(UpdateEntity, actions)[-1]
        assert isinstance(entity, UpdateEntity)
        return entity

    def test_progress_of_the_download_is_shown(self) -> None:
        device = Device(running("a"))
        device.look(channel("a", "b"))
        device.after_s += 5

        entity = self.entity(device.tell(ev.FetchProgress(bundle=bundle("b"), bytes=30, total=120)))

        assert (entity.in_progress, entity.update_percentage) == (True, 25.0)

    def test_bytes_alone_are_not_told_more_than_once_a_second(self) -> None:
        device = Device(running("a"))
        device.look(channel("a", "b"))
        device.after_s += 5

        told = [
            bool(messages(ModelState, device.tell(ev.FetchProgress(bundle=bundle("b"), bytes=n, total=120))))
            for n in range(10)
        ]

        assert told == [True] + [False] * 9

    def test_installed_version_is_the_running_one(self) -> None:
        device = Device(running("a"))

        entity = self.entity([*device.look(channel("a", "b")), *device.install("b")])

        assert (entity.installed_version, entity.latest_version, entity.in_progress) == ("2.0", "2.0", False)


def test_restarted_worker_goes_on_copying_frames_to_the_candidate() -> None:
    device = Device(running("a"))
    device.look(channel("a", "b"))
    device.tell(FETCHED, VERIFIED, ev.CandidateTested(ok=True))
    assert device.state is State.SHADOW

    assert only(do.StartShadow, device.tell(ev.WorkerStarted()))


def test_group_that_the_device_has_left_has_no_say() -> None:
    hint = GroupDesired(rev=9, bundle=bundle("b"))
    record = UpdateRecord(group_desired={"left": hint, "stays": hint})

    device = Device(running("a"), record=record, config=replace(CONFIG, groups=("stays",)))

    assert set(device.core.machine.record.group_desired) == {"stays"}


def test_failed_answer_is_remembered_so_that_the_device_may_ask_again_after_a_restart() -> None:
    device = Device(running("a"))
    device.drift()
    device.tell(ev.DesiredSeen(desired=Desired(rev=1, bundle=bundle("b"), answers="q1")))
    device.look(channel("a", "b", chosen="a"))
    assert device.core.episode.policy.request is None

    actions = device.tell(FETCHED, ev.TargetBad(code="unfit", message="no such artifact"))

    assert [stored.record.state for stored in only(do.StoreRequest, actions)] == [DriftState.CONFIRMED]
    assert [report.state for report in published("drift", actions)] == [DriftState.CONFIRMED]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("phase", "after"), [(State.COMMITTED, DriftState.OK), (State.REJECTED, DriftState.CONFIRMED)])
def test_power_cut_after_the_end_of_an_answer_and_before_the_episode_knew_is_made_up_for(
    phase: State, after: DriftState
) -> None:
    record = UpdateRecord(phase=phase, target=target("b" if phase is State.COMMITTED else "c"))

    device = Device(running("b"), record=record, request=RequestRecord(state=DriftState.REQUESTED))

    assert device.core.episode.policy.state is after
    assert device.core.episode.policy.record.learning == ("answered" if phase is State.COMMITTED else None)


def test_power_cut_between_the_start_of_an_answer_and_its_note_does_not_keep_the_request_open() -> None:
    device = Device(running("a"))
    device.drift()
    request = device.core.episode.request
    record = UpdateRecord(phase=State.DOWNLOADING, target=target("b", answers="q1"), attempt=1)

    again = Device(running("a"), record=record, request=RequestRecord(state=DriftState.REQUESTED, request=request))

    assert again.core.episode.request is None


def test_worker_is_told_of_a_new_days_samples() -> None:
    device = Device(running("a"))
    device.drift()
    device.after_s += 86_400

    orders = [action.message for action in only(do.TellWorker, device.window())]

    assert orders == [ipc.SamplesOn(on=True, budget_left=3, signal="mean", drifting=True)]


def test_skipped_frame_and_refused_subscription_are_told() -> None:
    device = Device(running("a"))

    told = device.tell(ev.FrameSkipped(position=7), ev.SubscriptionRefused(topics=("driftline/pi-1/desired",)))

    assert events(told) == ["frame_skipped", "subscription_refused"]
