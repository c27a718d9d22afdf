"""The fleet database on PostgreSQL: the same story as on SQLite. Needs the server's programs and psycopg."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import func, select

from deploy.config import FleetConfig, RetrainConfig, RolloutConfig
from deploy.fleet import jobs, requests, rollouts
from deploy.fleet.database import FleetDatabase
from deploy.fleet.ingest import Ingest
from deploy.fleet.models import Event, Sample
from deploy.fleet.samples import label, labelled_of
from deploy.fleet.states import JobState, RolloutState
from deploy.rollout.runner import RolloutRunner
from edge_models.wire import Topics, UpdatePhase
from tests.unit.deploy import messages
from tests.unit.deploy.fakes import MODEL, FakeClock, FakeRegistry
from tests.unit.deploy.messages import NEW, OLD
from tests.unit.deploy.rollout_stories import state

FLEET = FleetConfig(model=MODEL, retrain=RetrainConfig(settle_s=0))


def _programs() -> Path | None:
    """Where initdb and pg_ctl are; Debian keeps them off PATH."""
    found = shutil.which("initdb")
    candidates = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return next((path for path in candidates if (path / "initdb").exists()), None)


PROGRAMS = _programs()
IS_THERE = PROGRAMS is not None and importlib.util.find_spec("psycopg") is not None
pytestmark = [
    pytest.mark.integration,
    pytest.mark.peers,
    pytest.mark.skipif(not IS_THERE, reason="the PostgreSQL server or psycopg is not installed"),
]


def _run(arguments: Sequence[str], directory: Path) -> None:
    """As the user postgres if we are root, which the server refuses to run as."""
    if os.geteuid() == 0:
        shutil.chown(directory, "postgres")
        arguments = ["runuser", "-u", "postgres", "--", *arguments]
    subprocess.run(arguments, cwd=directory, check=True, stdout=subprocess.DEVNULL, timeout=120)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[FleetDatabase]:
    if PROGRAMS is None:
        raise AssertionError("skipped without it")
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(0o755)
    folder = tmp_path / "server"
    folder.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    _run([str(PROGRAMS / "initdb"), "-D", "data", "-A", "trust", "-U", "fleet", "-N"], folder)
    options = f"-p {port} -k {folder} -h 127.0.0.1 -F"
    control = [str(PROGRAMS / "pg_ctl"), "-D", "data", "-l", "log", "-w"]
    _run([*control, "-o", options, "start"], folder)
    try:
        opened = FleetDatabase.open(f"postgresql+psycopg://fleet@127.0.0.1:{port}/postgres")
        yield opened
        opened.close()
    finally:
        _run([*control, "-m", "immediate", "stop"], folder)


def test_a_fleet_lives_on_postgresql(database: FleetDatabase) -> None:
    clock, registry = FakeClock(), FakeRegistry()
    registry.add(OLD, 1)
    registry.add(NEW, 2)
    registry.set_first(OLD)
    ingest, runner = Ingest(database, Topics(), clock), RolloutRunner(database, registry, clock)
    far = messages.delivery(  # a position that passes 32 bits
        "pi-1", "sample", messages.sample("pi-1", 2).payload.replace(b'"position":2', b'"position":9007199254740991')
    )
    odd = messages.event("pi-1", 1).payload
    batch = [
        messages.meta("pi-1"),
        messages.status("pi-1"),
        messages.device_state("pi-1"),
        messages.sample("pi-1", 1),
        far,
        messages.delivery("pi-1", "event", odd.replace(b'"message":""', b'"message":"\\u0000"')),
        messages.delivery("pi-1", "event", odd.replace(b'"message":""', b'"message":"\\ud800"')),
        messages.event("pi-1", 2),
        messages.request("pi-1", "r-1"),
    ]

    ingest.apply(batch + batch)

    assert ingest.refused == {("pi-1", "event"): 4}
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Sample)) == 2
        assert session.scalar(select(func.count()).select_from(Event)) == 1
    with database.write() as session:
        requests.gather(session, MODEL, FLEET, clock.unix_s(), is_listed=lambda _: True)
        assert label(session, {"pi-1:1-1": "3"}, labelled_by="ann", now_s=1.0) == 1
    with database.write() as session:
        assert [sample.x for sample in labelled_of(session, MODEL)] == [b"\x07" * 64]
        assert jobs.claim(session, MODEL, "worker", clock.unix_s()) is not None
        rollout = rollouts.new_rollout(
            session,
            model=MODEL,
            channel="stable",
            bundle=NEW,
            config=RolloutConfig(),
            job="job-1",
            now_s=clock.unix_s(),
        )
        requests.answer(session, jobs.get_job(session, "job-1"), NEW, clock.unix_s())
        row = jobs.get_job(session, "job-1")
        row.state, row.bundle, row.rollout = JobState.ROLLING_OUT, NEW, rollout.id
    runner.tick()
    clock.sleep(1)
    done = state(UpdatePhase.COMMITTED, NEW, last=(NEW, UpdatePhase.COMMITTED, rollout.id))
    ingest.apply([messages.model_state("pi-1", done)])
    runner.tick()
    with database.write() as session:
        jobs.end_with_rollouts(session, clock.unix_s())
        assert rollouts.get_rollout(session, rollout.id).state is RolloutState.COMMITTED
        assert jobs.get_job(session, "job-1").state is JobState.DONE


def test_writers_take_turns_on_postgresql(database: FleetDatabase) -> None:
    """Two workers that look for a job at the same moment must not both find the same one."""
    now_s = FakeClock().unix_s()
    Ingest(database, Topics(), FakeClock()).apply([messages.meta("pi-1"), messages.request("pi-1", "r-1")])
    for _ in range(2):
        with database.write() as session:
            requests.gather(session, MODEL, FLEET, now_s, is_listed=lambda _: True)
    claimed: list[str] = []

    def claims(name: str) -> None:
        with database.write() as session:
            claimed.extend(name for job in [jobs.claim(session, MODEL, name, now_s)] if job is not None)

    other = threading.Thread(target=claims, args=("other",))
    with database.write() as session:
        assert jobs.claim(session, MODEL, "worker", now_s) is not None
        session.flush()
        other.start()
        other.join(0.5)
        assert other.is_alive()
    other.join(30)

    assert claimed == []


def test_a_reader_on_postgresql_sees_one_moment(database: FleetDatabase) -> None:
    ingest = Ingest(database, Topics(), FakeClock())
    ingest.apply([messages.meta("pi-1"), messages.event("pi-1", 1)])
    counted = select(func.count()).select_from(Event)
    with database.read() as session:
        before = session.scalar(counted)
        ingest.apply([messages.event("pi-1", 2)])
        assert session.scalar(counted) == before
