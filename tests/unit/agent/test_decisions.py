"""What is kept of each decision, how an update is said to have ended, and that it does end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent import ipc
from agent.core import commands as do
from agent.core import events as ev
from agent.core.records import MAX_DECISIONS, ActiveRecord, Decision, GoodFigures, UpdateRecord
from agent.core.update_states import MOVES_BESIDE, MOVES_PER_ATTEMPT
from agent.core.update_table import Move, State
from edge_models.fields import canonical_json, decode_json
from edge_models.wire.results import Outcome, remedy
from edge_models.wire.telemetry import Event
from edge_models.wire.update import Desired, ModelState
from edge_models.wire.values import timestamp
from tests.unit.agent.stories import FETCHED, VERIFIED, Story, in_provisional, in_shadow, ready
from tests.unit.agent.whole_core import Device, events, messages
from tests.unit.agent.world import SETTINGS, START_S, UTC_S, bundle, channel, only, published, running, target

VERDICT = ipc.ShadowVerdict(n=100, agree=95, nan=0, p95_us=300, effect=0.1, active_effect=0.3, active_p95_us=250)
COMPARED = ev.CandidateCompared(verdict=VERDICT)
WELL = ipc.ModelHealth(n=100, p95_us=300, confidence=0.9, reference_confidence=0.9, effect=0.05, golden_ok=True)
BOUND = MOVES_PER_ATTEMPT * SETTINGS.attempts + MOVES_BESIDE


def ran(letter: str, frames: int = 50, health: ipc.ModelHealth | None = WELL) -> ev.WorkerRan:
    return ev.WorkerRan(bundle=bundle(letter), frames=frames, health=health, rss_kb=50_000)


def test_good_update_leaves_the_evidence_of_shadow_and_soak() -> None:
    story = in_shadow()

    story.tell(COMPARED, ready("b"), ran("b"))

    shadow, soak = story.machine.record.decisions
    assert (shadow.phase, shadow.code, shadow.evidence["effect"]) == (State.PROVISIONAL, "ok", 0.1)
    assert (soak.phase, soak.code, soak.evidence["confidence"]) == (State.COMMITTED, "ok", 0.9)
    assert {shadow.bundle, soak.bundle} == {bundle("b")}


def test_commit_without_traffic_says_so() -> None:
    story = in_provisional()
    story.tell(ready("b"), ran("b", 7), ran("b", 9, None))

    story.wait(121)

    decision = story.machine.record.decision
    assert decision is not None
    assert (decision.phase, decision.code) == (State.COMMITTED, "no_traffic")
    assert decision.message.startswith("9 frames")
    assert decision.evidence["golden_ok"] == 1  # of the last beat that knew


def test_record_with_decisions_survives_the_disk() -> None:
    story = in_shadow()
    story.tell(COMPARED, ready("b"), ran("b"), *[ev.WorkerDied(bundle=bundle("b"), reason="signal 6")] * 2)

    stored = canonical_json(story.machine.record)

    assert decode_json(UpdateRecord, stored, max_bytes=1 << 16) == story.machine.record
    assert len(stored) < 4096  # a good update stores it seven times


def test_rejection_keeps_the_figures_that_it_rests_on() -> None:
    story = in_shadow()

    story.tell(replace(COMPARED, verdict=replace(VERDICT, effect=0.5)))

    decision = story.machine.record.decision
    assert decision is not None
    assert (decision.phase, decision.code) == (State.REJECTED, "drifts")
    assert (decision.evidence["effect"], decision.evidence["active_effect"]) == (0.5, 0.3)


def test_only_the_last_decisions_are_kept() -> None:
    record = UpdateRecord()
    for number in range(MAX_DECISIONS + 3):
        record = record.with_decision(
            Decision(phase=State.FAILED, bundle=bundle("b"), code="http", message=f"{number}")
        )

    assert [one.message for one in record.decisions] == [f"{number}" for number in range(3, MAX_DECISIONS + 3)]


@pytest.mark.parametrize(
    ("health", "code"),
    [
        (replace(WELL, golden_ok=False), "golden"),
        (replace(WELL, not_finite=1), "not_finite"),
        (replace(WELL, confidence=0.2), "confidence"),
        (replace(WELL, p95_us=19_000), "too_slow"),
        (replace(WELL, effect=0.7), "drifts"),
    ],
)
def test_unwell_model_is_rolled_back_by_itself(health: ipc.ModelHealth, code: str) -> None:
    story = Story(running("a"))
    story.tell(ran("a"), ev.TargetChosen(target=target("b")), FETCHED, VERIFIED, ev.CandidateTested(ok=True), COMPARED)
    story.expect(State.PROVISIONAL)
    assert story.machine.record.good == GoodFigures(bundle=bundle("a"), p95_us=300, effect=0.05, confidence=0.9)

    story.tell(ready("b"), ran("b", 10, health), ready("a"))

    story.expect(State.ROLLED_BACK)
    last = story.machine.record.last_result
    assert last is not None
    assert (last.result, last.code, last.remedy) == (Outcome.FAILED_ROLLED_BACK, code, remedy(code))
    assert story.machine.record.is_bad(bundle("b"), 7)


def test_unwell_model_is_not_committed_by_the_frame_that_shows_it() -> None:
    story = in_provisional()

    story.tell(ready("b"), ran("b", 50, replace(WELL, not_finite=1)))

    story.expect(State.ROLLING_BACK)


def test_figures_of_the_last_good_model_survive_a_restart_and_end_with_the_trial() -> None:
    story = in_shadow()
    story.tell(ran("a"), COMPARED)
    again = Story(running("b", previous="a", provisional=True), story.machine.record)
    again.machine.resume(Move.RESTARTED, START_S)

    again.tell(ready("b"), ran("b", 50, replace(WELL, p95_us=19_000)))
    story.tell(ready("b"), ran("b"))

    again.expect(State.ROLLING_BACK)
    assert story.machine.record.good is None


def test_committed_model_that_is_unwell_stays_and_is_told_once_with_its_figures() -> None:
    device = Device(running("a"))

    constant = ran("a", 50, replace(WELL, constant=True))

    told = device.tell(*[ran("a", 50, replace(WELL, not_finite=2)), ran("a")] * 3)
    assert events(device.tell(*[constant, ran("a", 50, replace(WELL, not_finite=2))] * 3)) == ["model_unhealthy"]

    (event,) = [message for message in messages(Event, told) if isinstance(message, Event)]
    assert (event.type, event.data["code"], event.data["not_finite"]) == ("model_unhealthy", "not_finite", 2)
    assert event.data["remedy"] == remedy("not_finite")
    assert device.core.active == running("a")


def test_what_was_wrong_with_the_model_before_is_not_told_of_the_next_one() -> None:
    device = Device(running("a"))
    told = device.tell(ran("a", 50, replace(WELL, not_finite=2)))
    told += device.look(channel("a", "b"))

    told += device.install("b")

    assert device.core.active is not None
    assert device.core.active.bundle == bundle("b")
    assert events(told).count("model_unhealthy") == 1
    assert device.core.machine.unwell is None


def test_download_that_power_cuts_end_says_nothing_about_the_bundle() -> None:
    record = UpdateRecord(phase=State.DOWNLOADING, target=target("b"), attempt=SETTINGS.attempts)
    story = Story(running("a"), record)

    kept = only(do.KeepBundles, story.machine.resume(Move.RESTARTED, START_S))

    story.expect(State.FAILED)
    assert not story.machine.record.is_bad(bundle("b"), 7)
    assert kept == [do.KeepBundles(keep=frozenset({bundle("a"), bundle("b")}))]  # the next look goes on with it


@pytest.mark.parametrize(
    ("story", "ends", "result"),
    [
        (in_provisional(), (ready("b"), ran("b")), Outcome.SUCCESSFUL),
        (in_shadow(), (ev.CandidateDied(reason="signal 6"),), Outcome.REJECTED),
        (in_shadow(), (ev.StorageFailed(message="no space"),), Outcome.FAILED_NO_CHANGE),
        (
            in_provisional(),
            (ev.WorkerDied(bundle=bundle("b"), reason="signal 6"), ready("a")),
            Outcome.FAILED_ROLLED_BACK,
        ),
        (in_provisional(), (ev.RollbackAsked(rev=7), ready("a")), Outcome.ROLLED_BACK_BY_OPERATOR),
        (in_shadow(), (ev.TargetChosen(target=target("c", serial=3)),), Outcome.SUPERSEDED),
        (in_provisional(), (ev.TargetChosen(target=target("c", serial=3)), ready("a")), Outcome.SUPERSEDED),
        (in_shadow(), (ev.TargetWithdrawn(),), Outcome.WITHDRAWN),
    ],
)
def test_outcome_says_what_was_changed(story: Story, ends: tuple[ev.UpdateEvent, ...], result: Outcome) -> None:
    story.tell(*ends)

    last = story.machine.record.last_result
    assert last is not None
    assert (last.bundle, last.result) == (bundle("b"), result)


def test_first_model_that_fails_had_nothing_to_go_back_to() -> None:
    story = Story(None)
    story.tell(ev.TargetChosen(target=target("b")), FETCHED, VERIFIED, ev.CandidateTested(ok=True))

    story.tell(ev.WorkerDied(bundle=bundle("b"), reason="signal 6"))

    assert story.machine.record.last_result is not None
    assert story.machine.record.last_result.result is Outcome.FAILED_NOTHING_TO_ROLL_BACK_TO


def test_event_and_model_state_carry_code_remedy_and_evidence() -> None:
    device = Device(running("a"))
    device.look(channel("a", "b"))
    device.tell(FETCHED, VERIFIED, ev.CandidateTested(ok=True))

    told = device.tell(replace(COMPARED, verdict=replace(VERDICT, agree=10)))

    (event,) = [message for message in messages(Event, told) if isinstance(message, Event)]
    assert (event.type, event.data["code"], event.data["result"]) == ("update_rejected", "disagrees", "rejected")
    assert (event.data["agreement"], event.data["remedy"]) == (0.1, remedy("disagrees"))
    said = published("model/state", told)[-1]
    assert isinstance(said, ModelState)
    assert said.error is not None
    assert said.error.remedy == remedy("disagrees")


def test_agreement_is_told_of_a_good_update_too() -> None:
    device = Device(running("a"))
    device.look(channel("a", "b"))

    told = device.tell(FETCHED, VERIFIED, ev.CandidateTested(ok=True), COMPARED, ready("b"), ran("b"))

    event = messages(Event, told)[-1]
    assert isinstance(event, Event)
    assert (event.type, event.data["agreement"], event.data["golden_ok"]) == ("update_committed", 0.95, 1)


def test_what_runs_is_in_the_report_of_every_state() -> None:
    device = Device(running("a"))
    seen: dict[State, str | None] = {}

    def note(actions: list[do.Action]) -> None:
        for message in published("model/state", actions):
            assert isinstance(message, ModelState)
            seen[message.phase] = None if message.installed is None else message.installed.bundle

    note(device.wait(1))
    note(device.tell(ev.Connected()))
    note(device.look(channel("a", "b")))
    trial: list[ev.Event] = [FETCHED, VERIFIED, ev.CandidateTested(ok=True), COMPARED]
    for event in [*trial, ready("b"), ran("b"), ev.RollbackAsked(rev=7), ready("a")]:
        note(device.tell(event))

    a, b = bundle("a"), bundle("b")
    assert seen == {
        State.IDLE: a, State.DOWNLOADING: a, State.VERIFYING: a, State.SELF_TEST: a, State.SHADOW: a,
        State.PROVISIONAL: b, State.COMMITTED: b, State.ROLLING_BACK: a, State.ROLLED_BACK: a,
    }  # fmt: skip


def test_storage_that_fails_is_told() -> None:
    device = Device(running("a"))
    device.look(channel("a", "b"))

    told = device.tell(ev.StorageFailed(message="no space left on device"))

    assert events(told) == ["storage_failed", "update_failed"]


@pytest.mark.parametrize("state", [State.DOWNLOADING, State.SELF_TEST, State.SHADOW, State.PROVISIONAL])
def test_update_that_goes_round_in_circles_is_stopped(state: State) -> None:
    active: ActiveRecord = running("a")
    if state is State.PROVISIONAL:
        active = running("b", serial=2, previous="a", provisional=True)
    story = Story(active, UpdateRecord(phase=state, target=target("b"), stores=BOUND))

    story.machine.resume(Move.RESTARTED, START_S)
    story.tell(ready("a"))

    story.expect(State.ROLLED_BACK if state is State.PROVISIONAL else State.FAILED)
    error = story.machine.record.error
    assert error is not None
    assert error.code == "loop"
    assert story.machine.record.is_bad(bundle("b"), 7)


def test_rollback_that_is_interrupted_for_ever_ends_too() -> None:
    record = UpdateRecord(phase=State.ROLLING_BACK, target=target("b"), stores=1)
    for _ in range(BOUND):
        story = Story(running("a"), record)
        story.machine.resume(Move.RESTARTED, START_S)
        record = story.machine.record

    assert record.phase is State.ROLLED_BACK


def test_next_target_is_not_bound_by_the_moves_of_the_last_one() -> None:
    story = Story(running("a"), UpdateRecord(stores=BOUND))

    story.tell(ev.TargetChosen(target=target("b")), FETCHED, VERIFIED, ev.CandidateTested(ok=True), COMPARED)

    story.expect(State.PROVISIONAL)


class TestDeadline:
    """``desired.deadline``: not to be started after this."""

    HINT = Desired(rev=1, bundle=bundle("b"), deadline=timestamp(UTC_S + 3600))
    SEEN = channel("a", "b", chosen="a")

    def told(self, after_s: float) -> Device:
        device = Device(running("a"))
        device.after_s = after_s
        device.tell(ev.DesiredSeen(desired=self.HINT))
        return device

    def test_hint_is_followed_before_and_not_after(self) -> None:
        before, after = self.told(-86_400.0), self.told(30 * 86_400.0)

        before.look(self.SEEN)
        told = after.look(self.SEEN)

        assert (before.state, after.state) == (State.DOWNLOADING, State.IDLE)
        assert events(told) == ["desired_refused"]

    def test_update_that_has_begun_goes_on(self) -> None:
        device = self.told(-86_400.0)
        device.look(self.SEEN)
        device.after_s = 30 * 86_400.0

        device.tell(ev.ChannelSeen(channel=self.SEEN))

        assert device.state is State.DOWNLOADING
        assert not only(do.StopTrial, device.tell(ev.ChannelSeen(channel=self.SEEN)))
