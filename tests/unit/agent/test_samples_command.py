"""What ``cmd/samples`` does in the supervisor; what the worker makes of it is tested with the ring."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent import ipc
from agent.core import commands as do
from agent.core import events as ev
from edge_models.wire.command import Command, Reply
from edge_models.wire.topics import CommandVerb
from edge_models.wire.values import Scalar
from tests.unit.agent.whole_core import Device
from tests.unit.agent.world import CONFIG, only, published, running


def ask(device: Device, args: dict[str, Scalar]) -> tuple[list[object], Reply]:
    """What the worker and the outbox are told, and the reply."""
    actions = device.tell(ev.CommandSeen(verb=CommandVerb.SAMPLES, command=Command(id=None, args=args)))
    (reply,) = published("reply/samples", actions)
    assert isinstance(reply, Reply)
    told: list[object] = [action.message for action in only(do.TellWorker, actions)]
    return told + list(only(do.DropSamples, actions)), reply


@pytest.mark.parametrize(
    ("args", "n"), [({}, 3), ({"do": "deliver"}, 3), ({"do": "deliver", "n": 2}, 2), ({"n": 40}, 40), ({"n": 0}, 0)]
)
def test_samples_are_asked_of_the_worker(args: dict[str, Scalar], n: int) -> None:
    told, reply = ask(Device(running("a")), args)

    assert (told, reply.ok) == ([ipc.DeliverSamples(n=n)], True)


def test_a_wipe_reaches_the_worker_and_what_waits_to_be_sent() -> None:
    told, reply = ask(Device(running("a")), {"do": "wipe"})

    assert (told, reply.ok) == ([ipc.WipeSamples(), do.DropSamples()], True)


@pytest.mark.parametrize("args", [{"do": "sell"}, {"n": "all"}, {"n": True}, {"n": -1}, {"n": 1.5}, {"do": None}])
def test_nonsense_is_refused_with_what_would_be_right(args: dict[str, Scalar]) -> None:
    told, reply = ask(Device(running("a")), args)

    assert (told, reply.ok, reply.code) == ([], False, "bad_args")
    assert "expected" in reply.message


def test_a_device_whose_owner_said_no_keeps_and_sends_nothing() -> None:
    config = replace(CONFIG, samples=replace(CONFIG.samples, enabled=False))

    told, reply = ask(Device(running("a"), config=config), {})

    assert (told, reply.code) == ([], "no_samples")


def test_what_waits_from_a_time_when_samples_were_kept_can_be_wiped_though_none_are_now() -> None:
    config = replace(CONFIG, samples=replace(CONFIG.samples, enabled=False))

    actions = Device(running("a"), config=config).command(CommandVerb.SAMPLES, do="wipe")

    assert only(do.DropSamples, actions)


def test_no_more_are_asked_for_when_todays_have_left() -> None:
    device = Device(running("a"))
    device.core.episode.budget.used = device.core.episode.budget.per_day

    assert ask(device, {"n": 5})[1].code == "no_budget"
