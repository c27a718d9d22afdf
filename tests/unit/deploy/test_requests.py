from __future__ import annotations

from collections.abc import Callable

import pytest

from deploy.config import FleetConfig, RetrainConfig, RolloutConfig
from deploy.fleet import desired, jobs, requests, rollouts
from deploy.fleet.database import FleetDatabase
from deploy.fleet.ingest import Ingest
from deploy.fleet.models import Device, Job, Request, Rollout, RolloutDevice
from deploy.fleet.states import DeviceOutcome, JobState, RequestState, RolloutState
from edge_models.manifest import BundleId
from edge_models.wire import DeviceId, Topics, UpdatePhase
from tests.unit.deploy import messages
from tests.unit.deploy.fakes import MODEL, FakeClock
from tests.unit.deploy.messages import NEW, OLD
from tests.unit.deploy.rollout_stories import state

FLEET = FleetConfig(model=MODEL, retrain=RetrainConfig(settle_s=20, settle_most_s=60))
Ask = Callable[..., None]


@pytest.fixture
def ask(database: FleetDatabase, clock: FakeClock) -> Ask:
    """A device asks, and the controller gathers."""
    ingest = Ingest(database, Topics(), clock)

    def asks(device: str, identity: str, *, bundle: BundleId = OLD) -> None:
        ingest.apply([messages.meta(device), messages.request(device, identity, bundle=bundle)])
        gather(database, clock)

    return asks


def gather(database: FleetDatabase, clock: FakeClock, *, listed: tuple[BundleId, ...] = (OLD, NEW)) -> None:
    with database.write() as session:
        requests.gather(session, MODEL, FLEET, clock.unix_s(), is_listed=lambda bundle: bundle in listed)


def all_jobs(database: FleetDatabase) -> list[Job]:
    with database.read() as session:
        return jobs.all_jobs(session)


def request(database: FleetDatabase, identity: str) -> Request:
    with database.read() as session:
        return session.get_one(Request, identity)


def roll_out(database: FleetDatabase, job: str, *, devices: tuple[str, ...] = (), clock: FakeClock) -> str:
    """What the worker does when it publishes."""
    with database.write() as session:
        row = jobs.get_job(session, job)
        requests.answer(session, row, NEW, clock.unix_s())
        rollout = rollouts.new_rollout(
            session,
            model=MODEL,
            channel="stable",
            bundle=NEW,
            config=RolloutConfig(),
            job=job,
            now_s=clock.unix_s(),
        )
        row.state, row.bundle, row.rollout = JobState.ROLLING_OUT, NEW, rollout.id
        for device in devices:
            if session.get(Device, device) is None:
                session.add(Device(id=device, first_seen=0, last_seen=0))
                session.flush()
            outcome = DeviceOutcome.UPDATING
            session.add(RolloutDevice(rollout=rollout.id, device=device, wave=1, outcome=outcome, updated_at=0))
        return rollout.id


def test_requests_that_come_close_together_share_a_job(database: FleetDatabase, clock: FakeClock, ask: Ask) -> None:
    ask("pi-1", "r-1")
    clock.sleep(15)
    ask("pi-2", "r-2")

    assert [job.state for job in all_jobs(database)] == [JobState.SETTLING]
    assert request(database, "r-1").job == request(database, "r-2").job


def test_a_job_is_ready_when_nobody_has_joined_for_a_while(database: FleetDatabase, clock: FakeClock, ask: Ask) -> None:
    ask("pi-1", "r-1")
    clock.sleep(15)
    ask("pi-2", "r-2")
    clock.sleep(15)
    gather(database, clock)
    assert all_jobs(database)[0].state is JobState.SETTLING

    clock.sleep(5)
    gather(database, clock)

    assert all_jobs(database)[0].state is JobState.READY


def test_a_stream_of_requests_does_not_put_a_job_off_for_ever(
    database: FleetDatabase, clock: FakeClock, ask: Ask
) -> None:
    for number in range(8):
        ask(f"pi-{number}", f"r-{number}")
        clock.sleep(10)

    assert all_jobs(database)[0].state is JobState.READY


def test_a_request_that_comes_during_a_job_joins_it(database: FleetDatabase, clock: FakeClock, ask: Ask) -> None:
    ask("pi-1", "r-1")
    clock.sleep(20)
    gather(database, clock)
    with database.write() as session:
        assert jobs.claim(session, MODEL, "worker", clock.unix_s()) is not None
    clock.sleep(300)

    ask("pi-2", "r-2")

    assert len(all_jobs(database)) == 1
    assert request(database, "r-2").job == request(database, "r-1").job
    assert request(database, "r-2").state is RequestState.OPEN


def test_a_request_that_comes_during_the_rollout_is_answered_by_it(
    database: FleetDatabase, clock: FakeClock, ask: Ask
) -> None:
    ask("pi-1", "r-1")
    rollout = roll_out(database, "job-1", devices=("pi-1", "pi-2"), clock=clock)

    ask("pi-2", "r-2")

    found = request(database, "r-2")
    assert (found.state, found.bundle_answer) == (RequestState.ANSWERED, NEW)
    with database.read() as session:
        assert session.get_one(RolloutDevice, (rollout, "pi-2")).answers == "r-2"
    assert len(all_jobs(database)) == 1


def test_a_device_that_asks_with_the_new_bundle_needs_another_job(
    database: FleetDatabase, clock: FakeClock, ask: Ask
) -> None:
    ask("pi-1", "r-1")
    roll_out(database, "job-1", devices=("pi-1",), clock=clock)

    ask("pi-1", "r-2", bundle=NEW)

    assert [job.state for job in all_jobs(database)] == [JobState.ROLLING_OUT, JobState.SETTLING]


def test_a_request_is_served_once_however_often_it_is_sent(database: FleetDatabase, clock: FakeClock, ask: Ask) -> None:
    ask("pi-1", "r-1")
    roll_out(database, "job-1", devices=("pi-1",), clock=clock)
    finish(database, "rollout-job-1", RolloutState.COMMITTED, clock)

    clock.sleep(3600)
    ask("pi-1", "r-1")

    assert [job.state for job in all_jobs(database)] == [JobState.DONE]


def test_a_job_whose_requests_were_all_withdrawn_is_cancelled(
    database: FleetDatabase, clock: FakeClock, ask: Ask
) -> None:
    ask("pi-1", "r-1")
    Ingest(database, Topics(), clock).apply([messages.request_closed("pi-1")])

    gather(database, clock)

    assert all_jobs(database)[0].state is JobState.CANCELLED


def test_a_request_that_comes_back_after_its_job_was_cancelled_gets_a_new_one(
    database: FleetDatabase, clock: FakeClock, ask: Ask
) -> None:
    ask("pi-1", "r-1")
    Ingest(database, Topics(), clock).apply([messages.request_closed("pi-1")])
    gather(database, clock)

    ask("pi-1", "r-1")

    assert [job.state for job in all_jobs(database)] == [JobState.CANCELLED, JobState.SETTLING]
    assert request(database, "r-1").job == "job-2"


def test_a_device_that_is_still_to_be_updated_has_to_try_that_first(
    database: FleetDatabase, clock: FakeClock, ask: Ask
) -> None:
    ingest = Ingest(database, Topics(), clock)
    ingest.apply([messages.meta("pi-1")])
    with database.write() as session:
        told = {DeviceId("pi-1"): NEW}
        desired.tell(session, told, rollout="rollout-0", answers={}, now_s=clock.unix_s())
    ask("pi-1", "r-1")
    assert all_jobs(database) == []

    refused = state(UpdatePhase.REJECTED, OLD, last=(NEW, UpdatePhase.REJECTED, "rollout-0"))
    ingest.apply([messages.model_state("pi-1", refused)])
    gather(database, clock)

    assert len(all_jobs(database)) == 1


def test_what_the_channel_no_longer_lists_need_not_be_tried_first(
    database: FleetDatabase, clock: FakeClock, ask: Ask
) -> None:
    ask("pi-1", "r-0")
    Ingest(database, Topics(), clock).apply([messages.request_closed("pi-1")])
    with database.write() as session:
        told = {DeviceId("pi-1"): NEW}
        desired.tell(session, told, rollout="rollout-0", answers={}, now_s=clock.unix_s())
    Ingest(database, Topics(), clock).apply([messages.request("pi-1", "r-1", bundle=OLD)])

    gather(database, clock, listed=(OLD,))

    assert request(database, "r-1").job is not None


def test_a_device_of_another_channel_is_not_answered_by_a_rollout_that_never_reaches_it(
    database: FleetDatabase, clock: FakeClock
) -> None:
    ingest = Ingest(database, Topics(), clock)
    ingest.apply([messages.meta("pi-1", channel="beta"), messages.request("pi-1", "r-1")])

    gather(database, clock)

    assert all_jobs(database) == []
    assert request(database, "r-1").state is RequestState.OPEN


def test_a_request_that_comes_while_the_rollout_is_taken_back_gets_another_job(
    database: FleetDatabase, clock: FakeClock, ask: Ask
) -> None:
    ask("pi-1", "r-1")
    rollout = roll_out(database, "job-1", devices=("pi-1",), clock=clock)
    with database.write() as session:
        session.get_one(Rollout, rollout).state = RolloutState.ROLLING_BACK

    ask("pi-2", "r-2")

    assert request(database, "r-2").state is RequestState.OPEN
    assert request(database, "r-2").job == "job-2"


def test_a_request_that_comes_back_takes_the_place_of_the_one_after_it(
    database: FleetDatabase, clock: FakeClock, ask: Ask
) -> None:
    for identity in ("r-1", "r-2", "r-1", "r-2"):  # a broker that sends what it has queued once more
        ask("pi-1", identity)

    assert request(database, "r-1").state is RequestState.WITHDRAWN
    assert request(database, "r-2").state is RequestState.OPEN


def test_a_rollout_that_was_refused_because_the_bundle_runs_already_takes_no_answer_back(
    database: FleetDatabase, clock: FakeClock, ask: Ask
) -> None:
    ask("pi-1", "r-1")
    first = roll_out(database, "job-1", devices=("pi-1",), clock=clock)
    finish(database, first, RolloutState.INCOMPLETE, clock)
    clock.sleep(1)
    with database.write() as session:
        again = rollouts.new_rollout(
            session, model=MODEL, channel="stable", bundle=NEW, config=RolloutConfig(), now_s=clock.unix_s()
        ).id

    finish(database, again, RolloutState.REFUSED, clock)

    assert request(database, "r-1").state is RequestState.ANSWERED


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [(UpdatePhase.REJECTED, RequestState.REFUSED), (UpdatePhase.COMMITTED, RequestState.ANSWERED)],
)
def test_a_device_that_missed_the_wave_and_rejects_the_answer_has_none(
    database: FleetDatabase, clock: FakeClock, ask: Ask, outcome: UpdatePhase, expected: RequestState
) -> None:
    ask("pi-1", "r-1")
    rollout = roll_out(database, "job-1", devices=("pi-1",), clock=clock)
    finish(database, rollout, RolloutState.INCOMPLETE, clock)
    assert request(database, "r-1").state is RequestState.ANSWERED

    said = state(outcome, OLD, last=(NEW, outcome, rollout))
    Ingest(database, Topics(), clock).apply([messages.model_state("pi-1", said)])
    finish(database, rollout, RolloutState.INCOMPLETE, clock)

    assert request(database, "r-1").state is expected


def test_a_rollout_on_another_channel_takes_no_answer_back(database: FleetDatabase, clock: FakeClock, ask: Ask) -> None:
    ask("pi-1", "r-1")
    first = roll_out(database, "job-1", devices=("pi-1",), clock=clock)
    finish(database, first, RolloutState.INCOMPLETE, clock)
    clock.sleep(1)
    with database.write() as session:
        other = rollouts.new_rollout(
            session, model=MODEL, channel="beta", bundle=NEW, config=RolloutConfig(), now_s=clock.unix_s()
        ).id

    finish(database, other, RolloutState.ROLLED_BACK, clock)

    assert request(database, "r-1").state is RequestState.ANSWERED


def test_the_end_of_a_job_leaves_what_an_operator_has_answered(
    database: FleetDatabase, clock: FakeClock, ask: Ask
) -> None:
    ask("pi-1", "r-1")
    with database.write() as session:
        row = session.get_one(Request, "r-1")
        row.state, row.bundle_answer = RequestState.ANSWERED, NEW

        jobs.end(session, "job-1", JobState.CANCELLED, "every request was withdrawn", clock.unix_s())

    assert request(database, "r-1").state is RequestState.ANSWERED


def finish(database: FleetDatabase, rollout: str, ended: RolloutState, clock: FakeClock) -> None:
    with database.write() as session:
        row = session.get_one(Rollout, rollout)
        row.state, row.reason = ended, "because"
        session.flush()
        jobs.end_with_rollouts(session, clock.unix_s())


@pytest.mark.parametrize(
    ("ended", "job_state", "request_state"),
    [
        (RolloutState.COMMITTED, JobState.DONE, RequestState.ANSWERED),
        (RolloutState.INCOMPLETE, JobState.DONE, RequestState.ANSWERED),
        (RolloutState.ROLLED_BACK, JobState.ROLLED_BACK, RequestState.REFUSED),
        (RolloutState.REFUSED, JobState.FAILED, RequestState.REFUSED),
    ],
)
def test_a_job_ends_as_its_rollout_does(
    database: FleetDatabase,
    clock: FakeClock,
    ask: Ask,
    ended: RolloutState,
    job_state: JobState,
    request_state: RequestState,
) -> None:
    ask("pi-1", "r-1")
    rollout = roll_out(database, "job-1", devices=("pi-1",), clock=clock)

    finish(database, rollout, ended, clock)

    assert all_jobs(database)[0].state is job_state
    assert request(database, "r-1").state is request_state


def test_only_one_job_of_a_model_is_at_work(database: FleetDatabase, clock: FakeClock, ask: Ask) -> None:
    ask("pi-1", "r-1")
    roll_out(database, "job-1", devices=("pi-1",), clock=clock)
    ask("pi-1", "r-2", bundle=NEW)
    clock.sleep(30)
    gather(database, clock)

    with database.write() as session:
        assert jobs.claim(session, MODEL, "worker", clock.unix_s()) is None
    finish(database, "rollout-job-1", RolloutState.COMMITTED, clock)
    with database.write() as session:
        claimed = jobs.claim(session, MODEL, "worker", clock.unix_s())

    assert claimed is not None
    assert claimed.id == "job-2"


def test_a_worker_that_starts_again_gets_its_job_back_and_no_other_worker_does(
    database: FleetDatabase, clock: FakeClock, ask: Ask
) -> None:
    ask("pi-1", "r-1")
    clock.sleep(30)
    gather(database, clock)
    for name, expected in (("worker", 1), ("other", None), ("worker", 2)):
        with database.write() as session:
            claimed = jobs.claim(session, MODEL, name, clock.unix_s())
        assert (claimed.attempts if claimed else None) == expected
