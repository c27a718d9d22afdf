"""The retraining worker as a process with the real converter, ended in the middle of a training."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deploy.fleet.database import FleetDatabase
from deploy.fleet.samples import label
from deploy.fleet.states import JobState
from tests.integration.deploy.brokers import embedded_broker
from tests.integration.deploy.site import Site, site
from tests.unit.deploy import messages

pytestmark = pytest.mark.integration


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Site]:
    """A device has asked and delivered, its samples are labelled, its job is ready."""
    with embedded_broker() as ports, site(tmp_path / "site", ports) as made:
        made.write_config(recipe="digits", retrain={"settle_s": 0.2, "min_samples": 30, "min_held": 3, "blind": False})
        agent = made.agent("pi-1")
        with made.controller():
            request = messages.request("pi-1", "pi-1-r1", bundle=made.old)
            agent.publish("model/request", request.payload)
            for number in range(30):
                agent.publish("sample", messages.sample("pi-1", number).payload, retain=False)
            made.until("every sample has come", lambda: made.samples() == 30)
            made.until("the job is ready", lambda: made.jobs() == [("job-1", JobState.READY)])
        give_labels(made)
        yield made


def give_labels(made: Site) -> None:
    database = FleetDatabase.open(f"sqlite:///{made.folder / 'fleet.sqlite'}")
    with database.write() as session:
        label(session, {f"pi-1:1-{number}": "1" for number in range(30)}, labelled_by="test", now_s=0.0)
    database.close()


def log(made: Site) -> str:
    return (made.folder / "retrain.log").read_text(encoding="utf-8")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_ended_in_the_middle_of_a_training_it_leaves_no_process(fleet: Site, number: signal.Signals) -> None:
    with fleet.daemon("retrain") as program:
        worker = psutil.Process(program.pid)
        fleet.until("the converter is at work", lambda: bool(worker.children(recursive=True)))
        below = worker.children(recursive=True)

        os.kill(program.pid, number)

        assert program.wait(30) == (-signal.SIGKILL if number is signal.SIGKILL else 0)
        assert not psutil.wait_procs(below, timeout=30)[1]
    assert "Traceback" not in log(fleet)
    assert fleet.jobs() == [("job-1", JobState.RUNNING)]


def test_a_failing_converter_fails_the_job_and_not_the_worker(fleet: Site) -> None:
    fleet.write_config(recipe="no-such-recipe", retrain={"min_samples": 30, "min_held": 3})
    with fleet.daemon("retrain") as program:
        fleet.until("the job has failed", lambda: fleet.jobs() == [("job-1", JobState.FAILED)], 60)

        assert program.poll() is None
    job = fleet.call("requests")["jobs"][0]
    assert "driftline-convert build ended with code 2" in job["reason"]


def test_two_workers_do_not_share_a_directory(fleet: Site) -> None:
    fleet.write_config(recipe="digits", retrain={"min_samples": 10_000})
    with fleet.daemon("retrain"):
        code, _, err = fleet.finished(fleet.start("retrain"))

    assert code == 2
    assert "another retraining worker uses" in err
