"""Frames between supervisor and worker."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent import ipc
from agent.config import CsvSource, MqttSource, ReplaySource
from agent.errors import IpcError
from agent.ipc_frames import MAX_HEADER_BYTES, FrameReader, encode_frame
from edge_models import wire
from edge_models.wire.codec import decode_message
from edge_models.wire.values import MAX_INT, MESSAGE_ID

TEXT = st.text(max_size=20)
COUNT = st.integers(0, 2**40)
NUMBER = st.floats(0, 1e6)
SHAPE = st.tuples(st.integers(1, 64), st.integers(1, 64))
MESSAGES = st.one_of(
    st.builds(
        ipc.Configure, role=st.sampled_from(["active", "candidate"]), bundle_dir=TEXT, bundle=TEXT, artifact=TEXT,
        source=st.sampled_from([None, ReplaySource(path="x"), MqttSource(topic="t"), CsvSource(path="y")]),
        position=COUNT, boot=COUNT,
    ),
    st.builds(ipc.FrameIn, origin=st.sampled_from(["mqtt", "shadow"]), dtype=st.just("uint8"), shape=SHAPE),
    st.builds(ipc.Window, start=COUNT, position=COUNT, n=COUNT, seconds=NUMBER, rate_hz=NUMBER, p50_us=NUMBER,
              p95_us=NUMBER, classes=st.dictionaries(TEXT, COUNT, max_size=3)),
    st.builds(ipc.Alarm, position=COUNT, signal=TEXT, detector=TEXT, value=NUMBER),
    st.builds(ipc.ShadowVerdict, n=COUNT, agree=COUNT, nan=COUNT, p95_us=NUMBER),
    st.builds(ipc.Failed, code=st.sampled_from(["bundle", "source"]), message=TEXT),
    st.just(ipc.Stop()),
)  # fmt: skip


@given(st.lists(st.tuples(MESSAGES, st.binary(max_size=100)), max_size=4), st.integers(1, 64))
def test_frames_survive_any_cutting_of_the_stream(frames: list[tuple[ipc.Message, bytes]], piece: int) -> None:
    stream = b"".join(encode_frame(message, body) for message, body in frames)
    reader = FrameReader()

    found = [frame for at in range(0, len(stream), piece) for frame in reader.feed(stream[at : at + piece])]

    assert found == frames


@given(st.from_regex(MESSAGE_ID, fullmatch=True), st.integers(0, MAX_INT))
@example("4-" + 78 * "9", MAX_INT)
def test_feedback_that_the_contract_allows_never_ends_a_worker(identity: str, label: int) -> None:
    sent = decode_message(wire.Feedback, json.dumps({"id": identity, "label": label}).encode())

    ((told, _),) = FrameReader().feed(encode_frame(ipc.Feedback(id=sent.id, label=sent.label)))

    assert told == ipc.Feedback(id=identity, label=label)


@pytest.mark.parametrize(
    ("header_bytes", "body_bytes"),
    [(0, 0), (MAX_HEADER_BYTES + 1, 0), (10, ipc.MAX_BODY_BYTES + 1), (2**32 - 1, 2**32 - 1)],
)
def test_length_over_its_bound_is_refused_before_anything_is_kept(header_bytes: int, body_bytes: int) -> None:
    with pytest.raises(IpcError, match="expected at most"):
        FrameReader().feed(struct.pack(">II", header_bytes, body_bytes))


@pytest.mark.parametrize("header", [b"{}", b"[]", b"\xff", b'{"type":"reboot"}', b'{"type":"alarm"}', b"[" * 1000])
def test_header_that_is_no_message_is_refused(header: bytes) -> None:
    with pytest.raises(IpcError, match="header of a frame"):
        FrameReader().feed(struct.pack(">II", len(header), 0) + header)


def test_unknown_fields_are_ignored_so_that_versions_may_differ() -> None:
    header = json.dumps({"type": "stop", "since": "later"}).encode()

    assert FrameReader().feed(struct.pack(">II", len(header), 0) + header) == [(ipc.Stop(), b"")]


def test_body_that_is_too_large_is_not_sent() -> None:
    with pytest.raises(IpcError):
        encode_frame(ipc.Stop(), bytes(ipc.MAX_BODY_BYTES + 1))


@pytest.mark.parametrize(
    ("shape", "body"), [((2, 2), b""), ((4,), b"12345"), ((0,), b""), ((-2, -2), b"1234"), ((1,) * 7, b"1")]
)
def test_array_that_is_not_what_its_message_says_ends_the_worker(shape: tuple[int, ...], body: bytes) -> None:
    copy = ipc.ShadowFrame(dtype="uint8", shape=shape)

    with pytest.raises(IpcError, match="expected up to 6 and the bytes of its shape"):
        FrameReader().feed(encode_frame(copy, body))
