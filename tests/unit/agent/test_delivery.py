"""What goes to the broker, in which order, and what comes of it when the broker is away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.config import MqttConfig
from agent.core.commands import Publish, Resend
from agent.delivery import COMMIT_S, RECEIVE_MAXIMUM, Delivery
from agent.outbox import Outbox
from agent.storage import Storage
from edge_models.wire.command import Reply
from edge_models.wire.predictions import Prediction
from edge_models.wire.telemetry import Event
from edge_models.wire.update import ModelState, UpdateEntity, UpdatePhase
from tests.fakes.publisher import FakePublisher
from tests.unit.agent.world import bundle, moment


class Post:
    """A delivery with its outbox and its broker."""

    def __init__(self, directory: Path) -> None:
        self.broker = FakePublisher()
        self.outbox = Outbox(Storage(directory), max_bytes=1 << 20)
        self.delivery = Delivery(self.broker, self.outbox, MqttConfig(), "pi-1", state_s=30)

    def connect(self, *, receive_maximum: int = 20, max_packet_bytes: int | None = None) -> None:
        self.broker.up = True
        self.delivery.on_up(receive_maximum=receive_maximum, max_packet_bytes=max_packet_bytes, now=moment())

    def lose(self) -> None:
        self.broker.up = False
        self.delivery.on_down()

    def event(self, seq: int, text: str = "") -> None:
        message = Event(ts=None, up=0.0, id=f"e{seq}", boot=1, seq=seq, type="started", message=text)
        self.delivery.publish(Publish(kind="event", message=message), moment())

    def entity(self, version: str) -> None:
        self.delivery.publish(Publish(kind="model/update", message=UpdateEntity(installed_version=version)), moment())

    def acknowledge_all(self) -> None:
        acknowledged = 0
        while acknowledged < len(self.broker.sent):
            acknowledged += 1
            self.delivery.on_acked(acknowledged, None, moment())


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    made = Post(tmp_path)
    yield made
    made.outbox.close()


def test_retained_message_waits_for_the_connection_and_only_the_latest_goes(post: Post) -> None:
    post.entity("1")
    post.entity("2")

    post.connect()

    assert [payload for _, payload, *_ in post.broker.sent] == [b'{"installed_version":"2","update_percentage":null}']
    assert post.broker.sent[0][2:] == (1, True)


def test_retained_messages_go_again_on_every_connect(post: Post) -> None:
    post.connect()
    post.entity("1")
    post.acknowledge_all()
    post.lose()

    post.connect()

    assert post.broker.topics == ["model/update", "model/update"]


def test_durable_message_is_kept_until_it_is_acknowledged(post: Post) -> None:
    post.connect()
    post.event(1)
    assert post.outbox.messages == 1

    post.acknowledge_all()

    assert post.outbox.messages == 0


def test_no_more_messages_are_on_their_way_than_the_broker_allows(post: Post) -> None:
    post.connect(receive_maximum=3)
    for seq in range(10):
        post.event(seq)

    assert len(post.broker.sent) == 3
    post.acknowledge_all()
    assert len(post.broker.sent) == 10
    assert post.outbox.messages == 0


def test_own_bound_holds_for_a_generous_broker(post: Post) -> None:
    post.connect(receive_maximum=65535)
    for seq in range(50):
        post.event(seq)

    assert len(post.broker.sent) == RECEIVE_MAXIMUM


def test_message_larger_than_the_broker_takes_is_never_sent(post: Post) -> None:
    post.event(1, "x" * 400)
    post.connect(max_packet_bytes=300)
    post.event(2)

    assert [payload for topic, payload, *_ in post.broker.sent if b'"e1"' in payload] == []
    assert post.delivery.refused["event"] == 1
    assert len(post.broker.sent) == 1


def test_retained_message_larger_than_the_broker_takes_is_never_sent(post: Post) -> None:
    post.entity("x" * 200)  # said before the broker told its limit

    post.connect(max_packet_bytes=200)

    assert post.broker.sent == []
    assert post.delivery.is_idle


def test_message_that_breaks_the_contract_is_not_sent(post: Post) -> None:
    post.connect()

    post.delivery.publish(Publish(kind="model/update", message=UpdateEntity(title="x" * 5000)), moment())

    assert post.broker.sent == []
    assert post.delivery.refused["model/update"] == 1


def test_prediction_is_lost_without_a_connection(post: Post) -> None:
    prediction = Prediction(ts=None, up=0.0, id="1-1", bundle=bundle("a"), label=3)
    post.lose()
    post.delivery.publish(Publish(kind="prediction", message=prediction), moment())

    post.connect()

    assert post.broker.sent == []


def test_refused_message_is_tried_again_and_then_given_up(post: Post) -> None:
    post.connect()
    post.event(1)

    for mid in (1, 2, 3):
        post.delivery.on_acked(mid, "not authorized", moment())

    assert len(post.broker.sent) == 3
    assert post.outbox.messages == 0


def test_replies_go_before_events(post: Post) -> None:
    post.event(1)
    post.delivery.publish(Publish(kind="reply/check", message=Reply(ts=None, up=0.0, ok=True)), moment())

    post.connect()

    assert post.broker.topics == ["reply/check", "event"]


def test_replaced_connection_sends_again_what_was_on_its_way(post: Post) -> None:
    post.connect()
    post.event(1)
    post.entity("1")

    post.delivery.forget()
    post.connect()

    assert post.broker.topics == ["event", "model/update", "model/update", "event"]


def test_overdue_answer_means_that_the_connection_is_dead(post: Post) -> None:
    post.connect()
    post.event(1)

    assert not post.delivery.is_stuck(moment(80))
    assert post.delivery.is_stuck(moment(100))


def test_time_without_a_connection_is_not_held_against_the_next_one(post: Post) -> None:
    post.connect()
    post.event(1)
    post.lose()
    post.broker.up = True

    post.delivery.on_up(receive_maximum=20, max_packet_bytes=None, now=moment(1000))

    assert not post.delivery.is_stuck(moment(1001))


def test_closing_a_request_clears_its_topic(post: Post) -> None:
    post.connect()

    post.delivery.publish(Publish(kind="model/request", message=None), moment())

    assert post.broker.sent == [("model/request", b"", 1, True)]


def test_what_was_lost_beyond_the_broker_goes_again_on_order(post: Post) -> None:
    post.connect()
    for seq in (1, 2, 3):
        post.event(seq)
    post.acknowledge_all()
    assert post.outbox.messages == 0

    post.delivery.resend(Resend(kind="event", boot=1, first=2, last=3), moment())

    assert [payload for _, payload, *_ in post.broker.sent[3:]] == [payload for _, payload, *_ in post.broker.sent[1:3]]
    post.acknowledge_all()
    assert post.outbox.messages == 0


def test_outbox_is_committed_soon_and_not_at_every_message(post: Post) -> None:
    post.connect()
    assert post.delivery.next_deadline_s() is None
    post.event(1)
    post.acknowledge_all()
    due_s = post.delivery.next_deadline_s()

    assert due_s == moment().monotonic_s + COMMIT_S
    was_uncommitted = []
    for time_s in (due_s - 0.1, due_s):
        post.delivery.tick(time_s)
        was_uncommitted.append(post.outbox.is_uncommitted)
    assert was_uncommitted == [True, False]
    assert post.delivery.next_deadline_s() is None


def test_where_the_update_stands_goes_before_everything_else_that_is_retained(post: Post) -> None:
    post.entity("1")
    state = ModelState(ts=None, up=0.0, phase=UpdatePhase.SHADOW)
    post.delivery.publish(Publish(kind="model/state", message=state), moment())
    post.event(1)

    post.connect()

    assert post.broker.topics == ["model/state", "model/update", "event"]
