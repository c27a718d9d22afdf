"""The short-lived children: what they are asked, what becomes of what they say, and that none outlives its time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest

from agent.block_relay import BlockRelay
from agent.core import events as ev
from agent.errors import ChildError, IpcError
from agent.jobs import GRACE_S, Jobs
from agent.process import JobProcess
from agent.state_dir import StateDir
from agent.storage import Storage
from agent.trusted_time import TrustedTime
from edge_models.fields import encode
from edge_models.wire.files import FileBlock, FileGet
from tests.unit.agent.world import CONFIG, SETTINGS, bundle, channel, target
from tests.unit.update_client.fakes import FakeTime

Line = dict[str, object]


class FakeJob:
    """Stands in for a job's process."""

    def __init__(self, arguments: Sequence[str], document: bytes, *, stays_open: bool = False) -> None:
        self.stays_open = stays_open
        self.told: list[bytes] = []
        self.arguments = list(arguments)
        self.asked = json.loads(document) if document else {}
        self.pid = 4711
        self.says: list[Line] = []
        self.is_open = True
        self.garbles = False
        self.ended = False

    def send(self, line: bytes) -> None:
        self.told.append(line)

    def receive(self) -> tuple[list[Line], bool]:
        if self.garbles:
            raise IpcError("not JSON")
        says, self.says = self.says, []
        return says, self.is_open

    def end(self) -> str:
        self.ended = True
        return "exit code 1"


class Yard:
    """Jobs in a state directory, with fake children."""

    def __init__(self, directory: Path, *, relay: BlockRelay | None = None) -> None:
        self.clock = FakeTime()
        self.time = TrustedTime(self.clock, stored_s=1.8e9, store=lambda _: None)
        self.started: list[FakeJob] = []
        self.refuses = False
        self.jobs = Jobs(
            CONFIG,
            StateDir(Storage(directory)),
            runtimes={"ai-edge-litert": "2.3.0"},
            time=self.time,
            relay=relay,
            spawn=self.spawn,
        )

    def spawn(self, arguments: Sequence[str], document: bytes, *, stays_open: bool = False) -> JobProcess:
        if self.refuses:
            raise ChildError("no memory")
        self.started.append(FakeJob(arguments, document, stays_open=stays_open))
        return cast("JobProcess", self.started[-1])

    def say(self, kind: str, *lines: Line, ends: bool = False) -> list[ev.Event]:
        job = self.jobs.processes[kind]  # type: ignore[index] # the kinds are literals
        fake = cast("FakeJob", job)
        fake.says += lines
        fake.is_open = not ends
        return self.jobs.on_readable(kind, 1.0)  # type: ignore[arg-type] # the same


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


CHANNEL_LINE: Line = {
    **cast("Line", encode(channel("a", "b"))), "event": "channel", "metadata_versions": {"root": 1, "timestamp": 9},
}  # fmt: skip


def test_check_asks_for_the_configured_channel(yard: Yard, tmp_path: Path) -> None:
    yard.jobs.check(0.0)

    assert yard.started[0].arguments == ["agent.update_client"]
    assert yard.started[0].asked == {
        "op": "check", "state_dir": str(tmp_path), "metadata_url": "http://registry/metadata",
        "targets_url": "http://registry/targets", "root": "root.json", "model": "digits", "channel": "stable",
        "now_floor": 1.8e9, "max_bytes_per_s": 0, "max_bytes_per_day": 0, "over": "http",
        "timeout_s": SETTINGS.check_timeout_s,
    }  # fmt: skip


def test_channel_document_becomes_an_event(yard: Yard) -> None:
    yard.jobs.check(0.0)

    events = yard.say("check", CHANNEL_LINE, ends=True)

    assert events == [ev.ChannelSeen(channel=channel("a", "b"), metadata={"root": 1, "timestamp": 9})]
    assert yard.started[0].ended
    assert yard.jobs.processes == {}


def test_result_and_end_may_come_apart(yard: Yard) -> None:
    yard.jobs.check(0.0)

    assert len(yard.say("check", CHANNEL_LINE)) == 1
    assert yard.say("check", ends=True) == []


def test_failure_keeps_its_code(yard: Yard) -> None:
    yard.jobs.check(0.0)

    events = yard.say("check", {"event": "error", "code": "signature", "message": "forged", "transient": False})

    assert events == [ev.CheckFailed(code="signature", message="forged", transient=False)]


def test_child_that_ends_without_a_word_may_be_tried_again(yard: Yard) -> None:
    yard.jobs.fetch(target("b"), 0.0)

    (event,) = yard.say("fetch", ends=True)

    assert isinstance(event, ev.FetchFailed)
    assert (event.code, event.transient) == ("interrupted", True)


def test_hanging_child_is_killed(yard: Yard) -> None:
    yard.jobs.check(0.0)
    deadline_s = SETTINGS.check_timeout_s + GRACE_S
    assert yard.jobs.next_deadline_s() == deadline_s

    (event,) = yard.jobs.tick(deadline_s)

    assert isinstance(event, ev.CheckFailed)
    assert yard.started[0].ended


@pytest.mark.parametrize(
    "line",
    [{"event": "channel"}, {"event": "channel", **cast("Line", encode(channel("a"))), "rev": -1},
     {"event": "error", "code": "NOT A CODE", "message": ""}],
)  # fmt: skip
def test_child_that_says_nonsense_is_ended(yard: Yard, line: Line) -> None:
    yard.jobs.check(0.0)

    (event,) = yard.say("check", line)

    assert isinstance(event, ev.CheckFailed)
    assert yard.started[0].ended


def test_child_that_does_not_even_write_json_is_ended(yard: Yard) -> None:
    yard.jobs.check(0.0)
    yard.started[0].garbles = True

    assert isinstance(yard.jobs.on_readable("check", 1.0)[0], ev.CheckFailed)
    assert yard.started[0].ended


def test_download_reports_progress_and_its_end(yard: Yard) -> None:
    yard.jobs.fetch(target("b"), 0.0)

    events = yard.say(
        "fetch", {"event": "manifest", "artifact": "tflite-int8", "total": 100},
        {"event": "progress", "bytes": 40, "total": 100},
        {"event": "done", "bundle": bundle("b"), "artifact": "tflite-int8", "directory": "/x"}, ends=True,
    )  # fmt: skip

    assert events == [
        ev.FetchProgress(bundle=bundle("b"), bytes=0, total=100),
        ev.FetchProgress(bundle=bundle("b"), bytes=40, total=100),
        ev.FetchDone(bundle=bundle("b")),
    ]  # fmt: skip


def test_check_and_download_never_refresh_the_metadata_at_once(yard: Yard) -> None:
    yard.jobs.check(0.0)
    yard.jobs.fetch(target("b"), 0.0)
    assert len(yard.started) == 1

    yard.say("check", CHANNEL_LINE, ends=True)
    assert yard.started[1].asked["op"] == "fetch"
    assert yard.started[1].asked["runtimes"] == ["ai-edge-litert==2.3.0"]

    yard.jobs.check(1.0)
    assert len(yard.started) == 2
    yard.say("fetch", {"event": "manifest", "artifact": "tflite-int8", "total": 100})
    assert yard.started[2].asked["op"] == "check"


def test_verification_knows_model_and_runtimes(yard: Yard, tmp_path: Path) -> None:
    yard.jobs.verify(target("b"), 0.0)

    assert yard.started[0].arguments == [
        "agent.verify", str(tmp_path / "bundles" / bundle("b")), bundle("b"), "digits", "-", "ai-edge-litert==2.3.0",
    ]  # fmt: skip
    line: Line = {
        "event": "verified",
        "model": "digits",
        "version": "2",
        "serial": 2,
        "artifact": "x",
        "answers": ["q"],
    }
    assert yard.say("verify", line) == [
        ev.TargetVerified(model="digits", version="2", serial=2, artifact="x", answers=("q",))
    ]


def test_stopping_a_trial_leaves_the_check_alone(yard: Yard) -> None:
    yard.jobs.check(0.0)
    yard.jobs.verify(target("b"), 0.0)

    yard.jobs.stop_trial()

    assert [job.ended for job in yard.started] == [False, True]
    yard.jobs.close()
    assert yard.started[0].ended


def test_child_that_cannot_be_started_may_be_tried_again(yard: Yard) -> None:
    yard.refuses = True

    (event,) = yard.jobs.fetch(target("b"), 0.0)

    assert isinstance(event, ev.FetchFailed)
    assert event.transient


def test_pause_that_the_registry_asks_for_is_kept_by_the_next_child(yard: Yard) -> None:
    yard.jobs.check(0.0)
    yard.say("check", {"event": "error", "code": "network", "message": "x", "transient": True, "retry_after": 60.0})
    yard.say("check", ends=True)

    assert yard.jobs.check(10.0) == []
    assert len(yard.started) == 1
    assert yard.jobs.next_deadline_s() == 61.0
    yard.jobs.tick(61.0)

    assert len(yard.started) == 2


def test_used_up_budget_holds_downloads_back_and_no_looks(yard: Yard) -> None:
    yard.jobs.fetch(target("b"), 0.0)
    yard.say("fetch", {"event": "error", "code": "budget", "message": "x", "transient": True, "retry_after": 3600.0})
    yard.say("fetch", ends=True)

    (told,) = yard.jobs.fetch(target("c"), 10.0)  # the machine must know, or the time that it allows would pass
    yard.jobs.check(10.0)

    assert isinstance(told, ev.FetchFailed)
    assert (told.bundle, told.code) == (bundle("c"), "budget")
    assert told.retry_after_s == pytest.approx(3590.0, abs=2.0)
    assert [job.asked["op"] for job in yard.started] == ["fetch", "check"]
    yard.say("check", ends=True)
    assert yard.jobs.next_deadline_s() is None

    assert yard.jobs.fetch(target("c"), 3700.0) == []
    assert yard.started[-1].asked["bundle"] == bundle("c")


def test_metadata_that_were_accepted_bound_the_floor_of_time(yard: Yard) -> None:
    yard.jobs.check(0.0)

    yard.say("check", {**CHANNEL_LINE, "fresh_until": 1.9e9})
    yard.clock.utc = 3.0e9
    yard.time.tick(0.0)

    assert yard.time.floor_s == 1.9e9
    yard.say("check", ends=True)
    yard.jobs.check(2.0)
    assert yard.started[1].asked["now_floor"] == 1.9e9


ASKED: Line = {"event": "get", "id": "t-0", "path": "metadata/timestamp.json", "offset": 0, "blocks": 4}


def test_child_asks_for_blocks_and_gets_those_that_are_its_own(tmp_path: Path) -> None:
    asked: list[FileGet] = []
    yard = Yard(tmp_path, relay=BlockRelay(asked.append))
    yard.jobs.check(0.0)

    assert yard.say("check", ASKED) == []
    (question,) = asked
    yard.jobs.answer(FileBlock(id=question.id, size=2, data="e30="))
    yard.jobs.answer(FileBlock(id="fetch:t-0", size=2, data="e30="))
    yard.jobs.answer(FileBlock(id="t-0", size=2, data="e30="))

    assert question == FileGet(id="check:t-0", path="metadata/timestamp.json", blocks=4)
    assert yard.started[0].stays_open
    assert [json.loads(line) for line in yard.started[0].told] == [
        {"v": 1, "id": "t-0", "offset": 0, "size": 2, "data": "e30=", "code": "ok"}
    ]


@pytest.mark.parametrize("path", ["../keys/root.pem", "", "/etc/passwd"])
def test_child_that_asks_for_nonsense_is_ended(tmp_path: Path, path: str) -> None:
    asked: list[FileGet] = []
    yard = Yard(tmp_path, relay=BlockRelay(asked.append))
    yard.jobs.check(0.0)

    (event,) = yard.say("check", {**ASKED, "path": path})

    assert isinstance(event, ev.CheckFailed)
    assert (asked, yard.started[0].ended) == ([], True)


def test_blocks_that_a_child_does_not_take_yet_wait_for_it() -> None:
    sleeper = JobProcess(["tests.fakes.sleeping"], b"{}\n", stays_open=True)
    try:
        before = sleeper.unsent_fileno
        for _ in range(100):
            sleeper.send(b"x" * 20_000)
        after = sleeper.unsent_fileno
    finally:
        how = sleeper.end()

    assert (before, how, sleeper.unsent_fileno) == (None, "signal 9", None)
    assert after is not None
