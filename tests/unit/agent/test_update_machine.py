"""One update from a chosen target to its end, on every way that it may take."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.core import commands as do
from agent.core import events as ev
from agent.core.records import UpdateRecord
from agent.core.update_machine import UpdateMachine
from agent.core.update_table import Move, State
from edge_models.wire.results import Outcome
from edge_models.wire.update import LastResult
from tests.unit.agent.stories import FETCHED, VERIFIED, Story, in_provisional, in_shadow, ready
from tests.unit.agent.world import SETTINGS, START_S, bundle, compared, only, running, target


def test_good_bundle_ends_committed_with_the_old_one_kept() -> None:
    story = in_provisional()

    story.tell(ready("b"), ev.WorkerRan(bundle=bundle("b"), frames=50))

    assert story.stored == [
        State.DOWNLOADING, State.VERIFYING, State.SELF_TEST, State.SHADOW, State.PROVISIONAL, State.COMMITTED,
    ]  # fmt: skip
    active = story.machine.active
    assert active is not None
    assert (active.bundle, active.version, active.provisional) == (bundle("b"), "2.0", False)
    assert active.previous is not None
    assert active.previous.bundle == bundle("a")
    assert only(do.KeepBundles, story.ordered)[-1].keep == {bundle("a"), bundle("b")}


def test_result_names_bundle_and_rollout() -> None:
    story = in_shadow(chosen=target("b", rollout="r-1"))

    story.tell(compared(n=100, agree=95, nan=0), ready("b"), ev.WorkerRan(bundle=bundle("b"), frames=50))

    assert story.machine.record.last_result == LastResult(
        bundle=bundle("b"), outcome=State.COMMITTED, rollout="r-1", attempt=1, result=Outcome.SUCCESSFUL
    )


def test_every_state_is_stored_before_its_work() -> None:
    story = in_provisional()
    story.tell(ready("b"), ev.WorkerRan(bundle=bundle("b"), frames=50))
    work = {
        do.StartFetch: State.DOWNLOADING, do.StartVerify: State.VERIFYING, do.StartCandidate: State.SELF_TEST,
        do.StartShadow: State.SHADOW, do.RunActive: State.PROVISIONAL,
    }  # fmt: skip

    last_stored: State | None = None
    for action in story.ordered:
        if isinstance(action, do.StoreUpdate):
            last_stored = action.record.phase
        elif type(action) in work:
            assert last_stored is work[type(action)]


def test_pointer_moves_before_the_worker_starts() -> None:
    story = in_provisional()

    kinds = [type(action) for action in story.ordered]
    assert kinds.index(do.PointTo) < kinds.index(do.RunActive)


def test_network_failure_is_tried_again_later_and_then_given_up() -> None:
    story = Story(running("a"))
    story.tell(ev.TargetChosen(target=target("b")))
    failure = ev.FetchFailed(bundle=bundle("b"), code="network", message="no answer", transient=True)

    for _ in range(SETTINGS.attempts - 1):
        assert not only(do.StartFetch, story.tell(failure))
        assert only(do.StartFetch, story.wait(300))
    story.tell(failure)

    assert story.state is State.FAILED
    assert story.machine.record.attempt == SETTINGS.attempts
    assert not story.machine.record.is_bad(bundle("b"), 7)  # the network says nothing about the bundle
    assert bundle("b") in only(do.KeepBundles, story.ordered)[-1].keep  # and what is here need not come again


def test_retry_waits_before_it_downloads() -> None:
    story = Story(running("a"))
    story.tell(ev.TargetChosen(target=target("b")))
    story.tell(ev.FetchFailed(bundle=bundle("b"), code="network", message="no answer", transient=True))

    assert not only(do.StartFetch, story.wait(4.9))
    assert only(do.StartFetch, story.wait(0.2))


def test_wrong_content_is_bad_after_all_attempts() -> None:
    story = Story(running("a"))
    story.tell(ev.TargetChosen(target=target("b")))

    for _ in range(SETTINGS.attempts):
        story.tell(ev.FetchFailed(bundle=bundle("b"), code="content", message="sha256 differs"))
        story.wait(300)

    assert story.state is State.REJECTED
    assert story.machine.record.is_bad(bundle("b"), 7)


@pytest.mark.parametrize(
    ("code", "end", "bad"),
    [("unfit", State.REJECTED, True), ("too_large", State.REJECTED, True), ("http", State.FAILED, False),
     ("signature", State.FAILED, False), ("no_space", State.FAILED, False)],
)  # fmt: skip
def test_final_download_failures(code: str, end: State, bad: bool) -> None:
    story = Story(running("a"))

    story.tell(ev.TargetChosen(target=target("b")), ev.FetchFailed(bundle=bundle("b"), code=code, message="it is so"))

    assert story.state is end
    assert story.machine.record.is_bad(bundle("b"), 7) is bad
    assert story.machine.record.error is not None
    assert story.machine.record.error.code == code


def test_serial_other_than_the_channel_lists_is_rejected() -> None:
    story = Story(running("a"))

    story.tell(ev.TargetChosen(target=target("b", serial=3)), FETCHED, VERIFIED)

    assert story.state is State.REJECTED
    assert story.machine.active == running("a")


@pytest.mark.parametrize(
    "fault",
    [ev.CandidateTested(ok=False, reason="differs by 90 LSB"), ev.CandidateDied(reason="signal 6")],
)
def test_candidate_that_fails_its_test_is_rejected_and_the_old_model_goes_on(fault: ev.UpdateEvent) -> None:
    story = Story(running("a"))
    story.tell(ev.TargetChosen(target=target("b")), FETCHED, VERIFIED)

    orders = story.tell(fault)

    assert story.state is State.REJECTED
    assert story.machine.active == running("a")
    assert not only(do.RunActive, orders)
    assert only(do.StopTrial, orders)


def test_disagreeing_candidate_is_rejected() -> None:
    story = in_shadow()

    story.tell(compared(n=100, agree=40, nan=0))

    assert story.state is State.REJECTED
    assert story.machine.record.error is not None
    assert story.machine.record.error.code == "disagrees"


def test_disagreement_does_not_count_for_the_answer_to_a_request() -> None:
    story = in_shadow(chosen=target("b", answers="pi-1-req"))

    story.tell(compared(n=100, agree=40, nan=0))

    assert story.state is State.PROVISIONAL


def test_manifest_that_names_the_open_request_is_an_answer_too() -> None:
    story = Story(running("a"))
    answer = replace(VERIFIED, answers=("other", "pi-1-req"))
    story.tell(ev.TargetChosen(target=target("b")), FETCHED, answer, request="pi-1-req")

    story.tell(ev.CandidateTested(ok=True), compared(n=100, agree=0, nan=0))

    assert story.state is State.PROVISIONAL


def test_candidate_without_finite_outputs_is_rejected_even_as_an_answer() -> None:
    story = in_shadow(chosen=target("b", answers="pi-1-req"))

    story.tell(compared(n=3, agree=3, nan=1))

    assert story.state is State.REJECTED


def test_shadow_without_traffic_ends_at_its_deadline() -> None:
    story = in_shadow()

    story.wait(59)
    story.expect(State.SHADOW)
    story.wait(2)
    story.expect(State.PROVISIONAL)


def test_shadow_is_left_out_when_nothing_runs() -> None:
    story = Story(None)

    story.tell(ev.TargetChosen(target=target("b")), FETCHED, VERIFIED, ev.CandidateTested(ok=True))

    assert story.state is State.PROVISIONAL


def test_crash_in_provisional_brings_the_last_good_model_back() -> None:
    story = in_provisional()

    orders = story.tell(ev.WorkerDied(bundle=bundle("b"), reason="signal 11"))

    story.expect(State.ROLLING_BACK)
    pointer = only(do.PointTo, orders)[-1].active
    assert pointer is not None
    assert pointer.bundle == bundle("a")
    assert isinstance(orders[-1], do.RunActive)
    story.tell(ready("a"))
    story.expect(State.ROLLED_BACK)
    assert story.machine.record.is_bad(bundle("b"), 7)


def test_source_that_fails_does_not_blame_the_model() -> None:
    story = in_provisional()

    story.tell(ev.WorkerDied(bundle=bundle("b"), reason="camera gone", blames_model=False))

    assert story.state is State.PROVISIONAL


def test_late_death_of_the_old_worker_does_not_blame_the_new_model() -> None:
    story = in_provisional()

    story.tell(ev.WorkerDied(bundle=bundle("a"), reason="had to be killed"))

    assert story.state is State.PROVISIONAL


def test_provisional_without_traffic_commits_at_its_deadline_once_loaded() -> None:
    story = in_provisional()
    story.tell(ready("b"))

    story.wait(121)

    assert story.state is State.COMMITTED


def test_provisional_that_never_loads_is_rolled_back() -> None:
    story = in_provisional()

    story.wait(121)

    assert story.state is State.ROLLING_BACK


def test_rolling_back_ends_even_if_the_old_worker_never_loads() -> None:
    story = in_provisional()
    story.tell(ev.WorkerDied(bundle=bundle("b"), reason="signal 11"))

    story.wait(31)

    assert story.state is State.ROLLED_BACK


@pytest.mark.parametrize("state", [State.DOWNLOADING, State.VERIFYING, State.SELF_TEST, State.SHADOW])
def test_newer_target_supersedes_one_under_test(state: State) -> None:
    story = Story(running("a"))
    way: list[ev.UpdateEvent] = [
        ev.TargetChosen(target=target("b")),
        FETCHED,
        VERIFIED,
        ev.CandidateTested(ok=True),
    ]
    for event in way:
        if story.state is not state:
            story.tell(event)
    assert story.state is state

    orders = story.tell(ev.TargetChosen(target=target("c", serial=3, rev=8)))

    assert story.state is State.DOWNLOADING
    assert only(do.StopTrial, orders)
    assert only(do.StartFetch, orders)[-1].target.bundle == bundle("c")
    assert story.machine.record.attempt == 1
    assert not story.machine.record.bad


def test_newer_target_supersedes_an_unproven_model_by_way_of_the_last_good_one() -> None:
    story = in_provisional()

    story.tell(ev.TargetChosen(target=target("c", serial=3, rev=8)), ready("a"))

    assert story.state is State.ROLLED_BACK
    assert story.machine.active == running("a")
    assert not story.machine.record.is_bad(bundle("b"), 7)  # it did nothing wrong
    assert story.machine.record.last_result == LastResult(
        bundle=bundle("b"), outcome=State.IDLE, result=Outcome.SUPERSEDED
    )


def test_only_model_there_is_ends_its_trial_before_a_newer_target_takes_its_turn() -> None:
    story = Story()
    story.tell(ev.TargetChosen(target=target("b")), FETCHED, VERIFIED, ev.CandidateTested(ok=True), ready("b"))
    newer = ev.TargetChosen(target=target("c", serial=3, rev=8))

    story.tell(newer)
    story.expect(State.PROVISIONAL)
    assert story.machine.active is not None  # else nothing would run while the newer one is on its way

    story.tell(ev.WorkerRan(bundle=bundle("b"), frames=50), newer)
    story.expect(State.DOWNLOADING)
    assert story.machine.active.bundle == bundle("b")


def test_withdrawn_target_is_dropped() -> None:
    story = in_shadow()

    orders = story.tell(ev.TargetWithdrawn())

    assert story.state is State.IDLE
    assert only(do.StopTrial, orders)
    assert only(do.KeepBundles, orders)[-1].keep == {bundle("a")}


def test_operator_rolls_a_committed_model_back() -> None:
    story = Story(running("b", serial=2, previous="a"), UpdateRecord(phase=State.COMMITTED))

    story.tell(ev.RollbackAsked(rev=7), ready("a"))

    assert story.state is State.ROLLED_BACK
    assert story.machine.active is not None
    assert story.machine.active.bundle == bundle("a")
    assert story.machine.record.is_bad(bundle("b"), 7)  # or the next look at the channel would bring it back


def test_silent_download_is_given_up_in_time() -> None:
    story = Story(running("a"))
    story.tell(ev.TargetChosen(target=target("b")))

    for _ in range(SETTINGS.attempts):
        story.wait(SETTINGS.download_timeout_s + 1)
        story.wait(400)

    assert story.state is State.FAILED


def test_state_that_cannot_be_stored_is_not_begun() -> None:
    story = Story(running("a"))
    story.tell(ev.TargetChosen(target=target("b")))

    story.tell(ev.StorageFailed(message="no space"))

    assert story.state is State.FAILED
    assert not story.machine.record.is_bad(bundle("b"), 7)


def test_commit_that_was_interrupted_is_completed() -> None:
    record = UpdateRecord(phase=State.COMMITTED, target=target("b"), attempt=1)
    machine = UpdateMachine(settings=SETTINGS, record=record, active=running("b", previous="a", provisional=True))

    orders = machine.resume(Move.RESTARTED, START_S)

    assert machine.active == running("b", previous="a")
    assert only(do.PointTo, orders)


def test_late_end_of_a_superseded_download_is_not_taken_for_the_new_one() -> None:
    story = Story(running("a"))
    story.tell(ev.TargetChosen(target=target("b")), ev.TargetChosen(target=target("c", serial=3)))

    story.tell(FETCHED, ev.FetchFailed(bundle=bundle("b"), code="unfit", message="too new"))

    assert story.state is State.DOWNLOADING
    assert story.machine.record.target == target("c", serial=3)


def test_superseded_downloads_do_not_pile_up_on_the_disk() -> None:
    story = Story(running("a", previous="e"))
    story.tell(ev.TargetChosen(target=target("b")))

    actions = story.tell(ev.TargetChosen(target=target("c", serial=3)))

    assert only(do.KeepBundles, actions) == [do.KeepBundles(keep=frozenset(map(bundle, "aec")))]


def test_bundles_are_kept_while_nobody_knows_which_of_them_ran() -> None:
    record = UpdateRecord(phase=State.REJECTED, target=target("b"))

    machine = UpdateMachine(settings=SETTINGS, record=record, active=None)

    assert not only(do.KeepBundles, machine.resume(Move.RESTARTED, START_S))
