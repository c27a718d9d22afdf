"""Messages to bytes and back."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import pytest

from edge_models.errors import FieldError
from edge_models.manifest import BundleId
from edge_models.wire import (
    CHANNELS,
    Command,
    Desired,
    DriftState,
    Event,
    Evidence,
    Feedback,
    ModelRequest,
    Prediction,
    RequestReason,
    SampleMessage,
    SampleReason,
    State,
    Stats,
    Timestamp,
    UpdateEntity,
    channel_named,
    decode_message,
    decode_payload,
    encode_message,
)

BUNDLE = BundleId("b" * 64)
DESIRED = {"v": 1, "ts": None, "rev": 3, "bundle": BUNDLE}
STATE = {"ts": None, "up": 12.5, "boot": 1, "seq": 2, "bundle": BUNDLE, "n": 200, "rate_hz": 10}


def sample(**changes: Any) -> SampleMessage:
    values: dict[str, Any] = {
        "ts": None,
        "up": 1.0,
        "id": "1-7",
        "bundle": BUNDLE,
        "why": SampleReason.DRIFT,
        "dtype": "uint8",
        "shape": (2, 3),
        "x": base64.b64encode(bytes(6)).decode(),
    }
    return SampleMessage(**(values | changes))


def test_unknown_fields_are_ignored() -> None:
    message = decode_message(Desired, json.dumps({**DESIRED, "wave": {"n": [1, 2]}}).encode())

    assert message == Desired(rev=3, bundle=BUNDLE)


@pytest.mark.parametrize("name", ["rev", "bundle"])
def test_missing_required_field_is_refused(name: str) -> None:
    payload = {key: value for key, value in DESIRED.items() if key != name}

    with pytest.raises(FieldError) as caught:
        decode_message(Desired, json.dumps(payload).encode())

    assert (caught.value.where, caught.value.found) == (name, "nothing")


def test_device_must_say_that_it_does_not_know_the_time() -> None:
    with pytest.raises(FieldError, match="ts: found nothing"):
        decode_message(State, json.dumps({key: item for key, item in STATE.items() if key != "ts"}).encode())


@pytest.mark.parametrize(
    "change",
    [
        {"rev": -1},
        {"rev": 1.5},
        {"rev": True},
        {"rev": "3"},
        {"rev": 2**53},
        {"bundle": "B" * 64},
        {"bundle": "b" * 64 + "\n"},
        {"bundle": None},
        {"v": 2},
        {"v": True},
        {"ts": "yesterday"},
        {"ts": 1795336200},
        {"ts": "2026-02-30T00:00:00Z"},
        {"rollout": ""},
        {"answers": "a" * 81},
    ],
)
def test_wrong_value_is_refused_and_named(change: dict[str, Any]) -> None:
    with pytest.raises(FieldError) as caught:
        decode_message(Desired, json.dumps({**DESIRED, **change}).encode())

    assert str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PRESS",
        b"{",
        b"[]",
        b"null",
        b"3",
        b'"{}"',
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b'{"rev": NaN, "bundle": ""}',
        b'{"rev": 1e999}',
        b'{"rev": ' + b"9" * 500 + b"}",
        b"\x00" * 16,
    ],
)
def test_payload_that_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(FieldError):
        decode_message(Desired, data)


@pytest.mark.parametrize(
    "nested",
    [
        b"[" * 9 + b"]" * 9,
        b"[" * 4000,
        b'{"a":' * 700,
        b'{"\\"[":' * 9 + b"1" + b"}" * 9,
    ],
)
def test_payload_nested_too_deep_is_refused(nested: bytes) -> None:
    with pytest.raises(FieldError, match="levels of nesting"):
        decode_message(Desired, nested)


def test_brackets_inside_strings_are_no_nesting() -> None:
    payload = {**DESIRED, "rollout": "r1", "note": '[[[[[[[[[[[[{"\\' * 5}

    assert decode_message(Desired, json.dumps(payload).encode()).rollout == "r1"


@pytest.mark.parametrize("channel", [row for row in CHANNELS if row.message], ids=lambda row: row.name)
def test_payload_above_its_channels_limit_is_refused_unread(channel: Any) -> None:
    with pytest.raises(FieldError, match=f"expected at most {channel.max_bytes} bytes"):
        decode_payload(channel, b" " * (channel.max_bytes + 1))


def test_message_above_its_channels_limit_is_not_sent() -> None:
    stats = Stats(
        ts=None, up=1.0, boot=1, seq=1, bundle=BUNDLE, artifact="tflite-int8", n=1, sketch="x" * 1600,
        classes={str(i): 10**9 for i in range(100)},
    )  # fmt: skip

    with pytest.raises(FieldError, match=r"Stats: found 3[0-9]{3} bytes, expected at most 2048 bytes"):
        encode_message(stats)


def test_stats_row_with_a_full_sketch_and_ten_classes_fits() -> None:
    stats = Stats(
        ts=Timestamp("2026-11-22T08:30:00.250Z"), up=123456.789, boot=1234, seq=123456, bundle=BUNDLE,
        artifact="tflite-int8", ts_from=Timestamp("2026-11-22T08:30:00.250Z"),
        ts_to=Timestamp("2026-11-22T08:30:00.250Z"), position=12345678, n=200, rate_hz=10.123, p50_us=123.4,
        p95_us=1234.5, mean_confidence=0.98765, classes={str(i): 200 for i in range(10)}, sketch="x" * 1400,
    )  # fmt: skip

    assert len(encode_message(stats)) <= 2048


def test_nan_is_never_sent() -> None:
    with pytest.raises(ValueError, match="nan has no JSON form"):
        encode_message(Prediction(ts=None, up=1.0, id="1-1", bundle=BUNDLE, confidence=math.nan))


def test_only_messages_of_the_contract_are_coded() -> None:
    with pytest.raises(ValueError, match="Evidence is not a message"):
        encode_message(Evidence(profile="0" * 16, sketch="", n=0))
    with pytest.raises(ValueError, match="int is not a message"):
        decode_message(int, b"3")
    with pytest.raises(ValueError, match="status carries no message"):
        decode_payload(channel_named("status"), b"online")


def test_empty_object_is_a_whole_command() -> None:
    assert decode_message(Command, b"{}") == Command()


def test_channel_knows_its_class() -> None:
    message = decode_payload(channel_named("feedback"), b'{"id": "3-17", "label": 4.0}')

    assert message == Feedback(id="3-17", label=4)


def test_event_of_a_newer_agent_is_read() -> None:
    payload = {"ts": None, "up": 1, "id": "1-1", "boot": 1, "seq": 1, "type": "moved", "data": {"to": "roof", "m": 3.5}}

    message = decode_message(Event, json.dumps(payload).encode())

    assert (message.type, message.data) == ("moved", {"to": "roof", "m": 3.5})


def test_half_a_surrogate_pair_is_refused() -> None:
    payload = b'{"ts":null,"up":1,"id":"1-1","boot":1,"seq":1,"type":"x","message":"\\ud83d"}'

    with pytest.raises(FieldError, match=r"message: found .* halves of surrogate pairs"):
        decode_message(Event, payload)


def test_state_reads_back() -> None:
    message = decode_message(State, json.dumps(STATE).encode())

    assert decode_message(State, encode_message(message)) == message
    assert message.drift is DriftState.OK


class TestUpdateEntity:
    def test_absent_keys_are_left_out_and_progress_is_reset_with_null(self) -> None:
        sent = json.loads(encode_message(UpdateEntity(installed_version="3", in_progress=False)))

        assert sent == {"installed_version": "3", "in_progress": False, "update_percentage": None}

    def test_all_eight_keys_are_home_assistants(self) -> None:
        full = UpdateEntity(
            installed_version="3", latest_version="4", title="digits", release_summary="darker scenes",
            release_url="https://models.example/4", entity_picture="http://models.example/4.png", in_progress=True,
            update_percentage=40,
        )  # fmt: skip

        sent = json.loads(encode_message(full))

        # mqtt/update.py of Home Assistant: any other key, and it drops the message.
        assert set(sent) == {
            "installed_version", "latest_version", "title", "release_summary", "release_url", "entity_picture",
            "in_progress", "update_percentage",
        }  # fmt: skip
        assert decode_message(UpdateEntity, encode_message(full)) == full

    @pytest.mark.parametrize(
        "payload",
        [
            {"v": 1},
            {"title": None},
            {"update_percentage": 101},
            {"release_url": "models.example"},
            {"in_progress": "yes"},
        ],
    )
    def test_what_home_assistant_would_drop_is_refused(self, payload: dict[str, Any]) -> None:
        with pytest.raises(FieldError):
            decode_message(UpdateEntity, json.dumps(payload).encode())


class TestSample:
    def test_bytes_come_back(self) -> None:
        message = decode_message(SampleMessage, encode_message(sample(x=base64.b64encode(b"abcdef").decode())))

        assert message.data == b"abcdef"

    @pytest.mark.parametrize(
        "change",
        [{"shape": (2, 4)}, {"dtype": "float32"}, {"x": "AAAA"}, {"x": ""}, {"x": "AAAAAAA"}, {"x": "AAAAAA=="}],
    )
    def test_bytes_that_do_not_fit_dtype_and_shape_are_refused(self, change: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="x"):
            sample(**change)

    def test_huge_shape_is_refused_without_an_array(self) -> None:
        payload = json.loads(encode_message(sample())) | {"shape": [65536] * 6}

        with pytest.raises(FieldError, match="79228162514264337593543950336 bytes in x"):
            decode_message(SampleMessage, json.dumps(payload).encode())

    def test_image_of_200_by_200_fits_into_the_default_packet(self) -> None:
        x = base64.b64encode(bytes(40_000)).decode()

        assert len(encode_message(sample(shape=(200, 200), x=x))) < 64 * 1024


class TestModelRequest:
    def request(self, **changes: Any) -> ModelRequest:
        values: dict[str, Any] = {
            "ts": None,
            "up": 1.0,
            "id": "pi7-1-1",
            "reason": RequestReason.DRIFT,
            "model": "digits",
            "bundle": BUNDLE,
            "evidence": Evidence(profile="0" * 16, sketch="eJw=", n=400, effects={"mean": 0.4}),
        }
        return ModelRequest(**(values | changes))

    def test_request_reads_back(self) -> None:
        request = self.request()

        assert decode_message(ModelRequest, encode_message(request)) == request

    @pytest.mark.parametrize("name", ["bundle", "evidence"])
    def test_drift_without_evidence_is_refused(self, name: str) -> None:
        with pytest.raises(ValueError, match="bundle and evidence with reason drift"):
            self.request(**{name: None})

    def test_operator_needs_no_evidence(self) -> None:
        assert self.request(reason=RequestReason.OPERATOR, evidence=None).evidence is None
