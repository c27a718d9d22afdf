"""What systemd hears, and when it is told nothing so that it starts the service again."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.config import CameraSource, CsvSource, MqttSource, ReplaySource, SourceConfig
from agent.figures import Figures
from agent.ipc import Heartbeat, SourceDown
from agent.systemd_notify import Systemd
from agent.watchdog import LATE_S, Watchdog, status_line
from tests.unit.agent.world import running

PERIOD_S = 40.0


class Manager:
    """What listens at the other end."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(0.0)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)

    def heard(self) -> list[str]:
        found = []
        while True:
            try:
                found.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return found

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(str(tmp_path / "notify"))
    yield made
    made.close()


def watchdog(
    manager: Manager, figures: Figures, source: SourceConfig | None = None, *, has_model: bool = True
) -> Watchdog:
    made = Watchdog(
        Systemd(manager.address, watchdog_s=PERIOD_S), figures=figures, source=source or ReplaySource(path="x"),
        has_model=lambda: has_model, status=lambda _: "line",
    )  # fmt: skip
    made.ready(0.0)
    manager.heard()
    return made


def turn(manager: Manager, watch: Watchdog, from_s: float, to_s: float, each: Callable[[int], object] = int) -> int:
    """A turn each second; how often the watchdog was fed. The kernel keeps no more than ten datagrams."""
    fed = 0
    for second in range(int(from_s), int(to_s)):
        each(second)
        watch.turned(float(second))
        fed += manager.heard().count("WATCHDOG=1")
    return fed


def test_ready_is_told_with_a_line_for_people(manager: Manager) -> None:
    watch = Watchdog(
        Systemd(manager.address), figures=Figures(), source=None, has_model=lambda: True, status=lambda _: "a\nb"
    )

    watch.ready(5.0)
    watch.stopping()

    assert manager.heard() == ["READY=1\nSTATUS=a b", "STOPPING=1\nSTATUS=stopping"]


def test_it_is_fed_four_times_in_a_period_by_turns_while_frames_come(manager: Manager) -> None:
    figures = Figures()
    watch = watchdog(manager, figures)

    def frame(second: int) -> None:
        figures.beat(Heartbeat(position=second, seq=second), float(second))

    fed = turn(manager, watch, 1, 401, frame)

    assert fed == pytest.approx(4 * 400 / PERIOD_S, abs=1)
    assert watch.next_deadline_s() == pytest.approx(400 + PERIOD_S / 4, abs=PERIOD_S / 4)


def test_it_is_not_fed_without_turns(manager: Manager) -> None:
    watch = watchdog(manager, Figures())

    assert watch.next_deadline_s() == PERIOD_S / 4
    assert manager.heard() == []


def test_it_starves_when_a_worker_beats_but_takes_no_frame_that_is_due(manager: Manager) -> None:
    figures = Figures()
    watch = watchdog(manager, figures)
    figures.beat(Heartbeat(position=7, seq=7), 1.0)

    def beat(second: int) -> None:
        figures.beat(Heartbeat(position=7, seq=7), float(second))

    assert turn(manager, watch, 1, LATE_S, beat) > 10
    assert turn(manager, watch, LATE_S + 20, LATE_S + 200, beat) == 0


def test_workers_that_die_and_are_replaced_are_progress(manager: Manager) -> None:
    figures = Figures()
    watch = watchdog(manager, figures)

    def die(second: int) -> None:
        figures.restarts += second % 60 == 0

    assert turn(manager, watch, 1, 1000, die) == pytest.approx(100, abs=2)


@pytest.mark.parametrize(
    "source", [MqttSource(topic="frames"), CsvSource(path="x", follow=True), CameraSource(), ReplaySource(path="x")]
)
def test_no_frame_is_due_without_a_rhythm_or_with_a_dead_source(manager: Manager, source: SourceConfig) -> None:
    figures = Figures()
    watch = watchdog(manager, figures, source)
    if isinstance(source, (CameraSource, ReplaySource)):
        figures.source_word(SourceDown(reason="unplugged", failures=1, retry_s=1))

    assert turn(manager, watch, 1, 1000) == pytest.approx(100, abs=1)


def test_no_frame_is_due_without_a_model(manager: Manager) -> None:
    watch = watchdog(manager, Figures(), has_model=False)

    assert turn(manager, watch, 1, 1000) == pytest.approx(100, abs=1)


def test_source_slower_than_the_bound_has_its_own(manager: Manager) -> None:
    figures = Figures()
    watch = watchdog(manager, figures, ReplaySource(path="x", rate_hz=0.01))

    assert turn(manager, watch, 1, 1900) == pytest.approx(190, abs=1)


def test_what_systemd_told_is_kept_from_children() -> None:
    environment = {"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7", "HOME": "/"}

    systemd = Systemd.from_environment(environment, 7)

    assert systemd.watchdog_s == 30.0
    assert environment == {"HOME": "/"}


@pytest.mark.parametrize(
    "told", [{}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "5", "WATCHDOG_PID": "8"}]
)
def test_a_watchdog_that_is_none_or_of_another_process_is_not_fed(told: dict[str, str]) -> None:
    assert Systemd.from_environment({"NOTIFY_SOCKET": "/run/x", **told}, 7).watchdog_s is None


def test_abstract_sockets_are_reached_and_nobody_there_is_no_error() -> None:
    manager = Manager("@driftline-test-notify")
    Systemd(manager.address).tell(READY="1")
    Systemd("/nonexistent/notify").tell(READY="1")
    Systemd().tell(READY="1")

    assert manager.heard() == ["READY=1"]
    manager.close()


def test_status_line_says_what_an_operator_looks_for() -> None:
    figures = Figures()
    figures.source_word(SourceDown(reason="no camera", failures=1, retry_s=1))

    assert status_line(running("a"), figures, is_up=False, now_s=0.0) == (
        "model v-a, 0.0 frames/s, broker down, source: no camera"
    )
    assert status_line(None, Figures(), is_up=True, now_s=0.0) == "no model, 0.0 frames/s, broker up"
