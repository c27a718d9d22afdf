"""The worker's loop with a fake role and a clock that a test moves."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from agent.errors import ConfigError
from agent.ipc import Configure, Failed, Heartbeat, Message, ResetDrift, Stop
from agent.ipc_frames import FrameReader, encode_frame
from agent.worker.errors import DetectorError, SourceError
from agent.worker.link import SupervisorLink
from agent.worker.loop import Loop, Role, failure_code
from edge_models.errors import IntegrityError, UnsupportedArtifactError

CONFIGURE = Configure(role="active", bundle_dir="/b", bundle="0" * 64, artifact="tflite-int8")


class TickingClock:
    """Each look at the clock is ten seconds later, so that nothing ever waits."""

    def __init__(self) -> None:
        self._now_s = 0.0

    def monotonic_s(self) -> float:
        self._now_s += 10.0
        return self._now_s

    def utc_s(self) -> float | None:
        return None


class StoppedClock:
    """Time stands still, so that no beat is due but the first."""

    def monotonic_s(self) -> float:
        return 1.0

    def utc_s(self) -> float | None:
        return None


class FakeRole:
    """Takes ``frames_wanted`` frames and then has the supervisor say stop; or raises what it is told."""

    def __init__(self, other: socket.socket, *, frames_wanted: int = 3, error: Exception | None = None) -> None:
        self.position = 7
        self.frames = 0
        self.due_s: float | None = 0.0
        self.messages: list[Message] = []
        self.closed = self.has_left = False
        self._other = other
        self._frames_wanted = frames_wanted
        self._error = error

    def heartbeat(self) -> Heartbeat:
        return Heartbeat(position=self.position, seq=self.frames)

    def handle(self, message: Message, body: bytes) -> None:
        self.messages.append(message)

    def work(self, now_s: float) -> None:
        if self._error is not None:
            raise self._error
        self.frames += 1
        self.position += 1
        if self.frames == self._frames_wanted:
            self._other.sendall(encode_frame(Stop()))

    def leave(self) -> None:
        self.has_left = True

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    mine, theirs = socket.socketpair()
    yield mine, theirs
    theirs.close()


def loop_with(mine: socket.socket, open_role: Callable[[Configure, SupervisorLink], Role]) -> Loop:
    return Loop(link=SupervisorLink(mine), open_role=open_role, clock=TickingClock())


def answers(other: socket.socket) -> list[Message]:
    reader = FrameReader()
    messages: list[Message] = []
    while data := other.recv(1 << 16):
        messages += [message for message, _ in reader.feed(data)]
    return messages


def test_it_runs_frames_beats_and_stops_when_told(pair: tuple[socket.socket, socket.socket]) -> None:
    mine, other = pair
    role = FakeRole(other)
    other.sendall(encode_frame(CONFIGURE) + encode_frame(ResetDrift()))

    code = loop_with(mine, lambda configure, link: role).run()

    assert code == 0
    assert role.frames == 3
    assert role.closed
    assert role.messages == [ResetDrift()]
    beats = [message for message in answers(other) if isinstance(message, Heartbeat)]
    assert [(beat.position, beat.seq) for beat in beats][-1] == (10, 3)


def test_the_last_beat_tells_the_next_worker_where_to_go_on(pair: tuple[socket.socket, socket.socket]) -> None:
    mine, other = pair
    role = FakeRole(other, frames_wanted=1)
    other.sendall(encode_frame(CONFIGURE))

    Loop(link=SupervisorLink(mine), open_role=lambda configure, link: role, clock=StoppedClock()).run()

    assert answers(other)[-1] == Heartbeat(position=role.position, seq=role.frames)


def test_careful_worker_says_which_frame_comes_before_it_runs_it(pair: tuple[socket.socket, socket.socket]) -> None:
    mine, other = pair
    role = FakeRole(other, frames_wanted=3)
    other.sendall(encode_frame(replace(CONFIGURE, careful=True)))

    Loop(link=SupervisorLink(mine), open_role=lambda configure, link: role, clock=StoppedClock()).run()

    beats = [message.position for message in answers(other) if isinstance(message, Heartbeat)]
    assert beats == [7, 8, 9, 10]


def test_it_ends_when_the_supervisor_is_gone(pair: tuple[socket.socket, socket.socket]) -> None:
    mine, other = pair
    other.close()

    assert loop_with(mine, lambda configure, link: FakeRole(other)).run() == 0


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SourceError("no frames"), "source"),
        (DetectorError("no such detector"), "config"),
        (ConfigError("no such key"), "config"),
        (IntegrityError("other bytes"), "bundle"),
        (UnsupportedArtifactError("no such operator"), "runtime"),
        (ZeroDivisionError("division by zero"), "internal"),
    ],
)
def test_a_failure_is_told_with_its_code_and_ends_the_process(
    pair: tuple[socket.socket, socket.socket], error: Exception, code: str
) -> None:
    mine, other = pair
    role = FakeRole(other, error=error)
    other.sendall(encode_frame(CONFIGURE))

    exit_code = loop_with(mine, lambda configure, link: role).run()

    (failed,) = [message for message in answers(other) if isinstance(message, Failed)]
    assert exit_code == 1
    assert role.closed
    assert failed.code == code == failure_code(error)
    assert str(error) in failed.message


def test_a_role_that_cannot_be_opened_is_told_too(pair: tuple[socket.socket, socket.socket]) -> None:
    mine, other = pair
    other.sendall(encode_frame(CONFIGURE))

    def refuse(configure: Configure, link: SupervisorLink) -> Role:
        raise IntegrityError("model.tflite: sha256 differs\nfrom manifest")

    assert loop_with(mine, refuse).run() == 1
    assert answers(other) == [Failed(code="bundle", message="model.tflite: sha256 differs from manifest")]


@pytest.mark.parametrize("messages", [[ResetDrift()], [CONFIGURE, CONFIGURE]])
def test_messages_out_of_order_end_the_worker(
    pair: tuple[socket.socket, socket.socket], messages: list[Message]
) -> None:
    mine, other = pair
    for message in messages:
        other.sendall(encode_frame(message))

    assert loop_with(mine, lambda configure, link: FakeRole(other, frames_wanted=10**9)).run() == 1
