"""The local socket: whom it lets in, what it takes, and that nobody makes the loop wait."""

from __future__ import annotations

import grp
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core import events as ev
from agent.errors import ConfigError
from agent.local.address import LONGEST_BYTES, short
from agent.local.client import ask
from agent.local.errors import LocalError, NotRunningError
from agent.local.listener import MOST_CLIENTS, PATIENCE_S, LocalSocket
from agent.local.messages import MAX_ANSWER_BYTES, MAX_REQUEST_BYTES, Answer, Request
from tests.unit.agent_local.served import Script, serving, turn


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "agent.sock"


@pytest.fixture
def part(path: Path) -> Iterator[LocalSocket]:
    made = LocalSocket(path, group=None)
    made.serve(Script(Answer(ok=True)))
    yield made
    made.close()


def connected(path: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(5)
    with short(path) as address:
        client.connect(address)
    return client


def turns(part: LocalSocket, n: int = 4, now_s: float = 0.0) -> list[ev.Event]:
    return [event for _ in range(n) for event in turn(part, now_s, wait_ms=0)]


def test_a_request_is_answered_and_what_follows_goes_to_the_core(path: Path, part: LocalSocket) -> None:
    with connected(path) as client:
        client.sendall(b'{"do":"status"}\n')
        events = turns(part)

        assert client.recv(4096).startswith(b'{"code":"ok"')
        assert client.recv(1) == b""
    assert events == [ev.Tick()]


def test_a_request_whose_answer_fails_fails_once_even_if_the_asker_goes(path: Path) -> None:
    def fail(_request: Request, _now_s: float) -> tuple[Answer, list[ev.Event]]:
        raise KeyError("a mistake of ours")

    part = LocalSocket(path, group=None)
    part.serve(fail)
    client = connected(path)
    client.sendall(b'{"do":"status"}\n')
    turns(part, 1)

    with pytest.raises(KeyError):
        turns(part, 1)
    client.close()
    turns(part)  # or the supervisor would count one failure a turn, and end

    part.close()


def test_client_and_socket_understand_each_other(path: Path) -> None:
    with serving(path, Answer(ok=False, code="no_samples", message="no")) as script:
        answer = ask(path, Request(do="why"))

    assert (answer.ok, answer.code, answer.message) == (False, "no_samples", "no")
    assert script.asked == [Request(do="why")]


def test_a_path_that_no_address_holds_is_reached_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / ("long" * 20) / ("longer" * 10) / "agent.sock"
    path.parent.mkdir(parents=True)
    assert len(os.fsencode(path)) > LONGEST_BYTES

    with serving(path, Answer(ok=True)):
        assert ask(path, Request(do="status")).ok


def test_only_its_own_user_may_connect_unless_a_group_is_named(path: Path, part: LocalSocket) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_group_that_is_named_may_connect(path: Path) -> None:
    group = grp.getgrgid(os.getgid()).gr_name

    part = LocalSocket(path, group=group)

    assert (stat.S_IMODE(path.stat().st_mode), path.stat().st_gid) == (0o660, os.getgid())
    part.close()


def test_a_group_that_does_not_exist_lets_nobody_in(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    part = LocalSocket(path, group="no-such-group")

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "no-such-group" in caplog.text
    part.close()


def test_the_file_goes_with_the_agent(path: Path) -> None:
    part = LocalSocket(path, group=None)

    part.close()
    part.close()

    assert not path.exists()


def test_the_socket_of_an_agent_that_died_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead, short(path) as address:
        dead.bind(address)
        dead.listen(1)
    assert path.exists()

    with serving(path, Answer(ok=True)):
        assert ask(path, Request(do="status")).ok


def test_a_second_agent_for_the_same_state_is_refused(path: Path, part: LocalSocket) -> None:
    with pytest.raises(ConfigError, match="another agent listens"):
        LocalSocket(path, group=None)

    turns(part)
    assert path.exists()


def test_what_is_no_socket_stays_and_the_agent_runs_without(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_text("precious")

    part = LocalSocket(path, group=None)

    assert path.read_text() == "precious"
    assert "no socket" in caplog.text
    assert part.watched() == []


def test_a_socket_of_another_kind_stays_and_the_agent_runs_without(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other, short(path) as address:
        other.bind(address)

        part = LocalSocket(path, group=None)

    assert path.exists()
    assert part.watched() == []
    assert "local socket not opened" in caplog.text


def test_a_directory_that_is_missing_is_said_and_the_agent_runs_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    part = LocalSocket(tmp_path / "gone" / "agent.sock", group=None)

    assert part.watched() == []
    assert "local socket not opened" in caplog.text


def test_who_says_nothing_is_cut_off_and_does_not_keep_the_loop(path: Path, part: LocalSocket) -> None:
    with connected(path) as client:
        turns(part, now_s=10.0)
        assert part.next_deadline_s() == 10.0 + PATIENCE_S

        part.tick(10.0 + PATIENCE_S)

        assert client.recv(1) == b""
    assert part.next_deadline_s() is None


def test_who_sends_without_end_is_answered_and_cut_off(path: Path, part: LocalSocket) -> None:
    with connected(path) as client:
        client.sendall(b"x" * (MAX_REQUEST_BYTES + 1))
        turns(part)

        assert b"bad_request" in client.recv(4096)


def test_who_takes_nothing_is_cut_off_and_memory_is_bounded(path: Path) -> None:
    part = LocalSocket(path, group=None)
    part.serve(Script(Answer(ok=True, message="x" * MAX_ANSWER_BYTES)))
    with connected(path) as client:
        client.sendall(b'{"do":"status"}\n')
        turns(part)

        assert b"too_large" in client.recv(4096)
    part.close()


def test_more_than_a_few_at_once_are_sent_away(path: Path, part: LocalSocket) -> None:
    clients = []
    for _ in range(MOST_CLIENTS + 3):
        clients.append(connected(path))
        turns(part, 1)

    assert len(part.watched()) == 1 + MOST_CLIENTS
    assert clients[-1].recv(1) == b""
    for client in clients:
        client.close()
    turns(part)
    assert len(part.watched()) == 1


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.sampled_from([b"", b"[]", b"null", b'{"do":"command"}', b"[" * 4000])))
def test_no_bytes_are_more_than_a_refusal(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("s") / "agent.sock"
    part = LocalSocket(path, group=None)
    part.serve(Script(Answer(ok=True)))
    with connected(path) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        turns(part)

        assert client.recv(4096).startswith(b'{"code":')
    part.close()


def test_nobody_there_is_said_with_what_to_do(path: Path) -> None:
    with pytest.raises(NotRunningError, match="systemctl start"):
        ask(path, Request(do="status"))


def test_an_agent_that_hangs_is_not_waited_for(path: Path, part: LocalSocket) -> None:
    with pytest.raises(LocalError, match="did not answer"):
        ask(path, Request(do="status"), timeout_s=0.05)
