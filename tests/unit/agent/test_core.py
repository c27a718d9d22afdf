"""The core as a whole: events in, commands and messages out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent import ipc
from agent.core import commands as do
from agent.core import events as ev
from agent.core.records import UpdateRecord
from agent.core.request_record import RequestRecord
from agent.core.update_table import State
from edge_models.wire.codec import encode_message
from edge_models.wire.command import Command, Feedback, Reply
from edge_models.wire.drift import DriftReport
from edge_models.wire.predictions import SampleReason
from edge_models.wire.telemetry import DriftState, Stats
from edge_models.wire.topics import CommandVerb
from edge_models.wire.update import Desired, GroupDesired, ModelRequest, ModelState, UpdateEntity
from tests.unit.agent.whole_core import FETCHED, PROFILE, VERIFIED, Device, events, messages
from tests.unit.agent.world import CONFIG, bundle, channel, compared, only, published, running, target


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
    device.tell(FETCHED, VERIFIED, ev.CandidateTested(ok=True), compared(n=100, agree=90, nan=0))

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
    disagreeing = compared(n=100, agree=5, nan=0)  # of course: the old model is wrong here
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
