"""Whatever a worker says, in whatever state an update is: it is no message, or the core takes it and can tell it on."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import ipc
from agent.core import commands as do
from agent.core import events as ev
from agent.errors import IpcError
from agent.ipc_frames import FrameReader
from agent.worker_events import event_of
from edge_models.errors import FieldError
from edge_models.fields import encode
from edge_models.wire.codec import encode_message
from edge_models.wire.predictions import SampleReason
from tests.fuzz.damage import damaged, fuzzed
from tests.unit.agent.whole_core import FETCHED, VERIFIED, Device
from tests.unit.agent.world import bundle, channel, only, running

pytestmark = pytest.mark.fuzz
some = settings(fuzzed, max_examples=500)  # each one makes a whole device
HEALTH = ipc.ModelHealth(n=256, confidence=0.9, reference_confidence=0.9, p95_us=300.0, effect=0.1, golden_ok=True)
COMPARED = ipc.ShadowVerdict(n=100, agree=90, nan=0, p95_us=300.0, effect=0.1, active_effect=0.2, labelled=40, right=30)
RIGHT: tuple[ipc.FromWorker, ...] = (
    ipc.Ready(runtime="fake 1", artifact="tflite-int8", rss_kb=40_000),
    ipc.SelfTest(ok=True),
    ipc.Heartbeat(position=8, seq=8, rss_kb=40_000, health=HEALTH, stages={"infer": "x"}),
    ipc.Alarm(position=3, signal="mean", detector="e_bank"),
    ipc.Window(start=0, position=199, n=200, seconds=2.0, rate_hz=100.0, p50_us=1.0, p95_us=2.0, classes={"1": 200}),
    ipc.Verdict(start=0, position=199, n=200, n_effective=200, profile="0" * 16, context="day", effects={"mean": 0.5},
                signature={"mean": 0.1}, attribution={"mean": 1.0}, class_effect=0.5, class_n=2000, class_count=10),
    ipc.DriftSaved(kind="contexts"),
    ipc.PredictionOut(position=3, seq=3, label=1, confidence=0.9, latency_us=9.0),
    ipc.Adapted(artifact="tflite-int8", rev=1, why="learnt", labels=3),
    ipc.SampleOut(position=3, seq=3, why=SampleReason.RANDOM, dtype="uint8", shape=(2, 2), predicted=1),
    ipc.ShadowFrame(position=3, label=1, seq=3, effect=0.1, p95_us=3.0, dtype="uint8", shape=(2, 2)),
    COMPARED,
    ipc.SourceDown(reason="gone", failures=1, retry_s=1.0),
    ipc.SourceUp(down_s=3.0),
    ipc.SourceEnded(position=9),
    ipc.Failed(code="internal", message="no"),
)  # fmt: skip
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=400),
    st.sampled_from(["x" * 60_000, "\n", "\ud800", [], {}, [1] * 100, {"a": 1.0}, {"é\n": -1}, 0, -1, 2**53, 1e308]),
)  # fmt: skip
STAGES = ("shadow", "provisional", "resting")


@st.composite
def words(draw: st.DrawFn) -> bytes:
    """A frame whose header is a message, one with other values in it, or nothing of the kind."""
    right = draw(st.sampled_from(RIGHT))
    document: dict[str, Any] = dict(encode(right))  # type: ignore[arg-type]
    names = [field.name for field in dataclasses.fields(right) if field.name != "type"]
    for name in draw(st.lists(st.sampled_from(names), max_size=2)):
        document[name] = draw(VALUES)
    header = json.dumps(document).encode()
    header = draw(st.just(header) | damaged(header)) or b"{}"
    body = draw(st.binary(max_size=16))
    return struct.pack(">II", len(header), len(body)) + header + body


def in_stage(stage: str) -> Device:
    device = Device(running("a", previous="c"))
    if stage == "resting":
        return device
    device.look(channel("a", "b"))
    device.tell(FETCHED, VERIFIED, ev.CandidateTested(ok=True))
    if stage == "provisional":
        device.tell(ev.CandidateCompared(verdict=COMPARED))
    return device


def heard(stream: bytes) -> list[tuple[ipc.Message, bytes]]:
    try:
        return FrameReader().feed(stream)
    except IpcError:
        return []


def as_events(message: ipc.Message, body: bytes, whose: str) -> list[ev.Event]:
    """As both slots would say it."""
    if isinstance(message, ipc.ShadowVerdict):
        return [ev.CandidateCompared(verdict=message)]
    if isinstance(message, ipc.SelfTest):
        return [ev.CandidateTested(ok=message.ok, reason=message.reason)]
    event = event_of(message, body, whose)
    return [] if event is None else [event]


@some
@given(st.sampled_from(STAGES), st.lists(words(), max_size=6))
def test_any_words_in_any_order(stage: str, spoken: list[bytes]) -> None:
    device = in_stage(stage)
    for frame in spoken:
        for message, body in heard(frame):
            active = device.core.active
            whose = bundle("a") if active is None else active.bundle
            for told in only(do.Publish, device.tell(*as_events(message, body, whose))):
                if told.message is not None:
                    with contextlib.suppress(FieldError):  # too long for the contract: left out, and said in the log
                        encode_message(told.message)
