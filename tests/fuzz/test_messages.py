"""Whatever arrives over MQTT or between the agent's processes is a message or an error of ours."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import IpcError
from agent.ipc import FrameIn, Heartbeat
from agent.ipc_frames import FrameReader, encode_frame
from edge_models.errors import FieldError
from edge_models.wire import CHANNELS, MessageChannel, Topics, decode_message, decode_payload, encode_message
from tests.fuzz.damage import check_one_line, damaged, fuzzed
from tests.unit.wire.payloads import KINDS, nearly_right, payloads

pytestmark = pytest.mark.fuzz
JSON_CHANNELS = [channel for channel in CHANNELS if channel.message is not None]
STREAM = encode_frame(Heartbeat(position=1, seq=2)) + encode_frame(
    FrameIn(origin="mqtt", dtype="uint8", shape=(2, 2), position=3), b"abcd"
)


def check_read_or_refused(kind: type, data: bytes) -> None:
    try:
        message: object = decode_message(kind, data)
    except FieldError as exc:
        check_one_line(exc)
        return
    assert isinstance(message, kind)
    try:
        sent = encode_message(message)
    except FieldError:  # the defaults made it too long
        return
    assert decode_message(kind, sent) == message


@fuzzed
@given(channel=st.sampled_from(JSON_CHANNELS), data=st.binary(max_size=4096))
def test_any_bytes_on_any_channel(channel: MessageChannel, data: bytes) -> None:
    with contextlib.suppress(FieldError):
        assert decode_payload(channel, data) is not None


@fuzzed
@given(data=st.data())
def test_damaged_payloads(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(KINDS))
    right = json.dumps(data.draw(payloads(kind))).encode()

    check_read_or_refused(kind, data.draw(damaged(right)))


@fuzzed
@given(data=st.data())
def test_payloads_of_wrong_values(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(KINDS))

    check_read_or_refused(kind, json.dumps(data.draw(nearly_right(kind))).encode())


@fuzzed
@given(st.data())
def test_payloads_of_another_class(data: st.DataObject) -> None:
    kind, other = (data.draw(st.sampled_from(KINDS)) for _ in range(2))

    check_read_or_refused(kind, json.dumps(data.draw(payloads(other))).encode())


@fuzzed
@given(st.text(max_size=80) | damaged(b"driftline/pi7-cam/model/request").map(lambda data: data.decode("latin-1")))
def test_any_topic(topic: str) -> None:
    try:
        owner, kind = Topics().parse(topic)
    except FieldError:
        return

    assert topic in {f"driftline/{owner}/{kind}", f"driftline/group/{owner}/desired"}


@fuzzed
@given(st.data())
def test_damaged_stream_between_the_processes(data: st.DataObject) -> None:
    stream = data.draw(damaged(STREAM))
    cut = data.draw(st.integers(0, len(stream)))
    reader = FrameReader()

    try:
        frames = reader.feed(stream[:cut]) + reader.feed(stream[cut:])
    except IpcError:
        return

    assert len(frames) <= len(stream) // 8
