"""A worker that is killed, aborts, hangs or grows, in every part that it may have, and a swap that nobody notices."""

from __future__ import annotations

import itertools
import json
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from edge_models.bundle import Bundle
from tests.integration.agent.brokers import Embedded
from tests.integration.agent.conftest import Fleet, MakeDevice
from tests.integration.agent.device import Device, Heard, Onlooker, until

pytestmark = pytest.mark.integration

Bundles = dict[str, Bundle]
BACK_S = 2.0  # from the moment at which a death is noticed
SILENCE_S = 2.0  # a busy machine keeps a worker waiting, too
BEAT_S = 0.5
MEMORY_MB = 200
HOURS = {"frames": 1_000_000, "deadline_s": 600}
LIMITS = {"silence_s": SILENCE_S, "memory_mb": MEMORY_MB}


@pytest.fixture
def watched(onlooker: Onlooker, make_device: MakeDevice) -> Iterator[Onlooker]:  # looks before the device is ended
    """Whatever happened to its workers: the supervisor was online once, and stayed it."""
    yield onlooker
    assert [heard.payload for heard in onlooker.of("status")] == [b"online"]


def pid_of(device: Device, pattern: str) -> int:
    """The process of the last log line like this."""

    def found() -> str | None:
        pids: list[str] = re.findall(pattern, device.log.read_text())
        return pids[-1] if pids else None

    return int(until(found, pattern, log=device.log))


def standby(device: Device) -> int:
    return pid_of(device, r"worker started bundle=\w+ pid=(\d+) position=standby")


def candidate(device: Device) -> int:
    return pid_of(device, r"candidate started bundle=\w+ pid=(\d+)")


def died(heard: Heard) -> bool:
    return bool(heard.json["type"] == "worker_restarted")


def of_bundle(bundle: Bundle) -> Callable[[Heard], bool]:
    return lambda heard: heard.json["bundle"] == bundle.id


def longest_gap_s(onlooker: Onlooker, bundle: Bundle, since_s: float, until_s: float) -> float:
    """Longest time without a prediction of this bundle."""
    times = [
        heard.at_s
        for heard in onlooker.of("prediction")
        if heard.json["bundle"] == bundle.id and since_s <= heard.at_s <= until_s
    ]
    times = [since_s, *times, until_s]
    return max(later - earlier for earlier, later in itertools.pairwise(times))


@pytest.mark.parametrize(
    ("number", "noticed_s", "reason"),
    [
        (signal.SIGKILL, 0.2, "signal 9"),
        (signal.SIGABRT, 0.2, "signal 6"),
        (signal.SIGSTOP, SILENCE_S + BEAT_S, "said nothing for"),
        (signal.SIGUSR1, 0.5, "MemoryError"),
        (signal.SIGUSR2, 2.0, f"expected at most {MEMORY_MB}"),
    ],
    ids=["killed", "aborted", "hung", "grown inside", "grown outside"],
)
def test_active_worker_is_back_two_seconds_after_its_death_is_noticed(
    embedded: Embedded, watched: Onlooker, make_device: MakeDevice,
    number: signal.Signals, noticed_s: float, reason: str,
) -> None:  # fmt: skip
    device = make_device(embedded.port, worker=LIMITS)
    device.start(module="tests.integration.agent.moody_agent")
    before = watched.wait_for("prediction", lambda heard: heard.json["position"] > 50)

    struck_s = time.monotonic()
    psutil.Process(pid_of(device, r"worker started bundle=\w+ pid=(\d+)")).send_signal(number)
    event = watched.wait_for("event", died, after_s=struck_s)
    again = watched.wait_for("prediction", after_s=event.at_s)

    assert reason in event.json["message"]
    assert event.at_s - struck_s < noticed_s + 1.0
    assert again.at_s - event.at_s < BACK_S
    assert again.json["position"] > before.json["position"]


def test_new_model_that_dies_on_standby_is_rolled_back_while_the_old_one_never_stops(
    embedded: Embedded, watched: Onlooker, make_device: MakeDevice, fleet: Fleet, bundles: Bundles
) -> None:
    fleet.offer(bundles["second"], bundles["first"])
    device = make_device(embedded.port, update=fleet.update())
    device.start()
    watched.wait_for("prediction")

    psutil.Process(standby(device)).kill()
    struck_s = time.monotonic()
    back = watched.wait_for("model/state", lambda heard: heard.json["phase"] == "rolled_back")

    assert back.json["installed"]["bundle"] == bundles["first"].id
    assert longest_gap_s(watched, bundles["first"], struck_s - 1.0, back.at_s) < BACK_S / 2
    assert {heard.json["bundle"] for heard in watched.of("prediction")} == {bundles["first"].id}


def test_new_model_that_dies_on_trial_gives_way_to_the_last_good_one_in_two_seconds(
    embedded: Embedded, watched: Onlooker, make_device: MakeDevice, fleet: Fleet, bundles: Bundles
) -> None:
    fleet.offer(bundles["second"], bundles["first"])
    device = make_device(embedded.port, update=fleet.update(provisional=HOURS))
    device.start()
    watched.wait_for("prediction", of_bundle(bundles["second"]))

    psutil.Process(standby(device)).send_signal(signal.SIGSEGV)
    event = watched.wait_for("event", died)
    again = watched.wait_for("prediction", of_bundle(bundles["first"]), after_s=event.at_s)

    assert again.at_s - event.at_s < BACK_S
    device.wait_until_it_runs(bundles["first"].id, phase="rolled_back")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hung"])
def test_candidate_that_dies_is_rejected_and_the_active_model_does_not_notice(
    embedded: Embedded, watched: Onlooker, make_device: MakeDevice, fleet: Fleet, bundles: Bundles,
    number: signal.Signals,
) -> None:  # fmt: skip
    fleet.offer(bundles["second"], bundles["first"])
    device = make_device(embedded.port, update=fleet.update(shadow=HOURS), worker=LIMITS)
    device.start()
    watched.wait_for("model/state", lambda heard: heard.json["phase"] == "shadow")

    struck_s = time.monotonic()
    psutil.Process(candidate(device)).send_signal(number)
    rejected = watched.wait_for("model/state", lambda heard: heard.json["phase"] == "rejected")

    assert rejected.json["error"]["code"] == "candidate_died"
    assert rejected.at_s - struck_s < SILENCE_S + BEAT_S + 1.0
    assert longest_gap_s(watched, bundles["first"], struck_s, rejected.at_s) < 1.0
    assert not any(died(heard) for heard in watched.of("event"))


def test_a_swap_misses_no_frame_of_a_recording(
    embedded: Embedded, watched: Onlooker, make_device: MakeDevice, fleet: Fleet, bundles: Bundles, recording: Path
) -> None:
    fleet.offer(bundles["second"], bundles["first"])
    period_s = 0.1
    source = {"type": "replay", "path": str(recording), "rate_hz": 1 / period_s, "loop": True}
    device = make_device(embedded.port, update=fleet.update(), source=source)
    device.start()

    device.wait_until_it_runs(bundles["second"].id)
    told = list(watched.of("prediction"))
    at = next(i for i, heard in enumerate(told) if heard.json["bundle"] == bundles["second"].id)

    positions = [heard.json["position"] for heard in told]
    assert positions == list(range(positions[0], positions[0] + len(told)))
    assert {heard.json["bundle"] for heard in told[:at]} == {bundles["first"].id}
    assert told[at].json["up"] - told[at - 1].json["up"] < 2 * period_s  # a gap of one frame at most


def test_a_swap_loses_no_frame_of_a_topic(
    embedded: Embedded, watched: Onlooker, make_device: MakeDevice, fleet: Fleet, bundles: Bundles
) -> None:
    device = make_device(
        embedded.port, source={"type": "mqtt", "topic": "driftline/cam/frames", "encoding": "json"},
        update=fleet.update(shadow={"frames": 10, "deadline_s": 20}, provisional={"frames": 20, "deadline_s": 20}),
    )  # fmt: skip
    device.start()
    until(lambda: "worker ready" in device.log.read_text(), "the worker", log=device.log)
    sent, done = [0], threading.Event()

    def publish() -> None:
        while not done.wait(0.04):
            watched.say("frames", json.dumps([[sent[0] % 16] * 8] * 8).encode(), owner="cam")
            sent[0] += 1

    camera = threading.Thread(target=publish)
    camera.start()
    try:
        fleet.offer(bundles["second"], bundles["first"])
        device.wait_until_it_runs(bundles["second"].id)
    finally:
        done.set()
        camera.join()

    watched.wait_for("prediction", lambda heard: heard.json["position"] == sent[0] - 1)
    positions = [heard.json["position"] for heard in watched.of("prediction")]
    assert positions == list(range(sent[0]))
