"""The worker's end of the socketpair."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from agent.errors import IpcError
from agent.ipc import Heartbeat, Message, PredictionOut, SampleOut, Stop
from agent.ipc_frames import FrameReader, encode_frame
from agent.worker.link import DROP_ABOVE_BYTES, SupervisorLink
from edge_models.wire.predictions import SampleReason

BEAT = Heartbeat(position=3, seq=2)
BODY = bytes(1 << 20)


@pytest.fixture
def ends() -> Iterator[tuple[SupervisorLink, socket.socket]]:
    mine, theirs = socket.socketpair()
    link = SupervisorLink(mine)
    yield link, theirs
    theirs.close()
    link.close()


def sample(position: int) -> SampleOut:
    why = SampleReason.RANDOM
    return SampleOut(position=position, seq=position, why=why, dtype="uint8", shape=(len(BODY),))


def received(connection: socket.socket, link: SupervisorLink) -> list[Message]:
    """Read all there is, letting the link write whenever there is room again."""
    reader = FrameReader()
    messages: list[Message] = []
    connection.setblocking(False)
    while True:
        link.flush()
        try:
            data = connection.recv(1 << 20)
        except BlockingIOError:
            return messages
        messages += [message for message, _ in reader.feed(data)]


def test_messages_go_both_ways(ends: tuple[SupervisorLink, socket.socket]) -> None:
    link, other = ends
    other.sendall(encode_frame(Stop()))

    link.send(BEAT)

    assert link.receive() == [(Stop(), b"")]
    assert received(other, link) == [BEAT]


def test_with_nothing_to_read_it_does_not_wait(ends: tuple[SupervisorLink, socket.socket]) -> None:
    link, _ = ends

    assert link.receive() == []
    assert not link.closed


def test_an_end_of_the_stream_is_noticed(ends: tuple[SupervisorLink, socket.socket]) -> None:
    link, other = ends
    other.close()

    link.receive()

    assert link.closed


def test_what_does_not_fit_waits_and_arrives_whole(ends: tuple[SupervisorLink, socket.socket]) -> None:
    link, other = ends

    for position in range(3):
        link.send(sample(position), BODY)

    assert link.waiting
    assert received(other, link) == [sample(position) for position in range(3)]
    assert not link.waiting


def test_copies_are_dropped_while_the_supervisor_is_slow(ends: tuple[SupervisorLink, socket.socket]) -> None:
    link, other = ends
    prediction = PredictionOut(position=1, seq=1, latency_us=1.0)
    while len(link._outgoing) <= DROP_ABOVE_BYTES:
        link.send(sample(0), BODY)

    link.send(prediction, droppable=True)
    link.send(BEAT)

    messages = received(other, link)
    assert link.dropped == 1
    assert prediction not in messages
    assert messages[-1] == BEAT


def test_a_supervisor_that_never_reads_is_given_up(ends: tuple[SupervisorLink, socket.socket]) -> None:
    link, _ = ends

    def write_without_end() -> None:
        for position in range(100):
            link.send(sample(position), BODY)

    with pytest.raises(IpcError, match="wait for the supervisor"):
        write_without_end()


def test_bytes_that_are_no_message_are_an_error(ends: tuple[SupervisorLink, socket.socket]) -> None:
    link, other = ends
    other.sendall(b"\xff" * 64)

    with pytest.raises(IpcError):
        link.receive()


def test_a_vanished_supervisor_is_no_error_when_writing(ends: tuple[SupervisorLink, socket.socket]) -> None:
    link, other = ends
    other.close()

    link.send(BEAT)

    assert link.closed
