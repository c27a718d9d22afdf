"""The supervisor's loop: one thread that owns all state, waits for whatever comes first, and never for one thing only.

It waits for the broker (through a wake-up socket that paho's thread writes to), for the workers, for the jobs, for
signals and for the next deadline. What happened becomes events for the core; what the core answers is carried out by
``Hands``. This is the one place that survives an unforeseen exception: it is logged and counted, the model that runs
goes on running, and only if it keeps happening does the program end, for systemd to start it again.
"""

from __future__ import annotations

import contextlib
import logging
import random
import select
import signal
import socket
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from agent.core import events as ev
from agent.core.records import Now
from agent.hands import Hands
from agent.ipc import MAX_BODY_BYTES
from agent.link_events import Acked, Down, Message, Subscribed, Up
from agent.memory import release_unused
from agent.mqtt_link import MqttLink
from agent.ports import Clock
from agent.watchdog import Watchdog

log = logging.getLogger(__name__)

LONGEST_WAIT_S = 5.0  # a bound on being wrong about the next deadline
GOODBYE_S = 2.0  # for the broker to acknowledge "offline"
MOST_REASONS = 20  # for no connection, each of them told once
MAX_FAILURES = 10  # unforeseen exceptions in a row
TRIM_FIRST_S = 5.0  # by then workers are started and the broker is connected
TRIM_PERIOD_S = 600.0
DISCOVERY_JITTER_S = 3.0  # a whole fleet hears of Home Assistant's start at once


class Supervisor:
    """Runs until a signal says stop.

    Args:
        hands: All adapters.
        link: To the broker.
        clock: Both kinds of time.
        rng: For jitter.
        watchdog: Tells systemd.
        new_poll: Waits for descriptors and for time.
    """

    def __init__(
        self,
        *,
        hands: Hands,
        link: MqttLink,
        clock: Clock,
        rng: random.Random,
        watchdog: Watchdog,
        new_poll: Callable[[], select.poll] = select.poll,
    ) -> None:
        self._hands = hands
        self._link = link
        self._watchdog = watchdog
        self._new_poll = new_poll
        self._clock = clock
        self._rng = rng
        self._events: deque[ev.Event] = deque()
        self._stop = False
        self._failures = 0
        self._generation = link.generation
        self._unheard: tuple[str, ...] = ()  # topics that the broker keeps from us
        self._told: set[str] = set()  # why there was no connection since there was one
        self._state_at_s = clock.monotonic_s()
        self._discover_at_s: float | None = None
        self._trim_at_s = clock.monotonic_s() + TRIM_FIRST_S

    def run(self) -> int:
        """The exit code: 0 when told to stop, 1 after repeated unforeseen failures."""
        with self._signals() as wake:
            try:
                self._begin()
                while not self._stop and self._failures < MAX_FAILURES:
                    self._turn(wake)
            finally:
                self._end()
        return 1 if self._failures >= MAX_FAILURES else 0

    def stop(self) -> None:
        """End after the present turn."""
        self._stop = True

    def _begin(self) -> None:
        now = self._now()
        core = self._hands.core
        self._events += self._hands.carry_out(core.start(now), now)
        if self._hands.active.process is None:
            self._events += self._hands.active.run(core.active, now.monotonic_s)
        self._link.start()
        self._watchdog.ready(self._clock.monotonic_s())

    def _turn(self, wake: socket.socket) -> None:
        try:
            self._wait(wake)
            self._on_time()
            self._settle()
        except Exception:  # the daemon's loop: see the module's docstring
            self._failures += 1
            log.exception("unforeseen failure=%d", self._failures)
        else:
            self._failures = 0
            self._watchdog.turned(self._clock.monotonic_s())

    def _wait(self, wake: socket.socket) -> None:
        poll = self._new_poll()
        poll.register(wake, select.POLLIN)
        poll.register(self._link, select.POLLIN)
        watched = {one.fd: one for part in self._hands.parts for one in part.watched()}
        for fd, one in watched.items():
            poll.register(fd, one.mask)
        for fd, happened in poll.poll(1000 * self._timeout_s()):
            if fd == wake.fileno():
                with contextlib.suppress(BlockingIOError):
                    wake.recv(4096)
            elif fd == self._link.fileno():
                self._events += self._on_link()
            else:
                self._events += watched[fd].handle(happened, self._clock.monotonic_s())

    def _timeout_s(self) -> float:
        if self._events:
            return 0.0
        hands = self._hands
        times_s = [
            hands.core.next_deadline_s,
            *(part.next_deadline_s() for part in hands.parts),
            self._link.next_deadline_s(),
            self._watchdog.next_deadline_s(),
            self._state_at_s,
            self._discover_at_s,
            self._trim_at_s,
        ]
        soonest_s = min(time_s for time_s in times_s if time_s is not None)
        return min(max(soonest_s - self._clock.monotonic_s(), 0.0), LONGEST_WAIT_S)

    def _on_time(self) -> None:
        now, hands = self._now(), self._hands
        for part in hands.parts:
            self._events += part.tick(now.monotonic_s)
        deadline_s = hands.core.next_deadline_s
        if deadline_s is not None and now.monotonic_s >= deadline_s:
            self._events.append(ev.Tick())
        if hands.delivery.is_stuck(now):
            log.warning("connection silent, replacing it")
            hands.delivery.on_down()
            self._link.restart()
        self._link.tick(now.monotonic_s)
        self._forget_if_replaced()
        self._report_on_time(now)
        self._keep_house(now)

    def _report_on_time(self, now: Now) -> None:
        hands = self._hands
        if now.monotonic_s >= self._state_at_s:
            self._state_at_s = now.monotonic_s + hands.config.report.state_s
            hands.publish_state(now, hands.core.voice.next_state())
        if self._discover_at_s is not None and now.monotonic_s >= self._discover_at_s:
            self._discover_at_s = None
            hands.discover(now)

    def _keep_house(self, now: Now) -> None:
        if now.monotonic_s >= self._trim_at_s:
            self._trim_at_s = now.monotonic_s + TRIM_PERIOD_S
            release_unused()

    def _settle(self) -> None:
        """Let the core see everything, and do what it says, until nothing is left."""
        while self._events:
            now = self._now()
            event = self._events.popleft()
            self._events += self._hands.carry_out(self._hands.core.handle(event, now), now)

    def _on_link(self) -> list[ev.Event]:
        events: list[ev.Event] = []
        for happened in self._link.drain(self._clock.monotonic_s()):
            self._forget_if_replaced()
            now = self._now()
            match happened:
                case Up():
                    self._on_up(happened, now)
                case Down(reason=reason):
                    is_news = reason not in self._told and len(self._told) < MOST_REASONS  # it may last for weeks
                    if is_news:
                        self._told.add(reason)
                    log.log(logging.INFO if is_news else logging.DEBUG, "broker down reason=%s", reason)
                    self._hands.delivery.on_down()
                case Acked(mid=mid, refused=refused):
                    self._hands.delivery.on_acked(mid, refused, now)
                case Message():
                    events += self._on_message(happened, now)
                case Subscribed(refused=refused):
                    events += self._on_subscribed(refused)
        self._hands.inbound.lost(self._link.overflowed)
        self._forget_if_replaced()
        return events

    def _on_up(self, up: Up, now: Now) -> None:
        self._told.clear()
        log.info("broker up version=%s receive_maximum=%d", up.version, up.receive_maximum)
        hands = self._hands
        hands.greet(now)
        self._events += hands.carry_out(hands.core.handle(ev.Connected(), now), now)
        hands.delivery.on_up(receive_maximum=up.receive_maximum, max_packet_bytes=up.max_packet_bytes, now=now)

    def _on_subscribed(self, refused: tuple[str, ...]) -> list[ev.Event]:
        before, self._unheard = self._unheard, refused
        if not refused:
            return []
        log.warning("subscription refused topics=%s", " ".join(refused))
        return [] if refused == before else [ev.SubscriptionRefused(topics=refused)]

    def _on_message(self, message: Message, now: Now) -> list[ev.Event]:
        inbound = self._hands.inbound
        if inbound.is_birth(message):
            self._discover_at_s = now.monotonic_s + self._rng.uniform(0.0, DISCOVERY_JITTER_S)
            return []
        block = inbound.block(message, now)
        if block is not None:
            self._hands.jobs.answer(block)
            return []
        frame = inbound.frame(message)
        if frame is not None:
            if len(message.payload) <= MAX_BODY_BYTES:
                self._hands.active.tell(frame, message.payload)
            return []
        event = inbound.event(message, now)
        return [] if event is None else [event]

    def _forget_if_replaced(self) -> None:
        if self._generation != self._link.generation:
            self._generation = self._link.generation
            self._hands.delivery.forget()

    def _end(self) -> None:
        log.info("stopping")
        self._watchdog.stopping()
        hands = self._hands
        if self._stop:  # on purpose
            hands.carry_out(hands.core.stop(), self._now())
        until_s = self._clock.monotonic_s() + GOODBYE_S
        if self._link.is_up:
            hands.say_goodbye(self._now())
            while not hands.delivery.is_idle and self._clock.monotonic_s() < until_s:
                select.select([self._link], [], [], 0.05)
                for happened in self._link.drain(self._clock.monotonic_s()):
                    if isinstance(happened, Acked):
                        hands.delivery.on_acked(happened.mid, happened.refused, self._now())
        hands.close()
        self._link.close()

    def _now(self) -> Now:
        return Now(monotonic_s=self._clock.monotonic_s(), utc_s=self._clock.utc_s())

    @contextmanager
    def _signals(self) -> Iterator[socket.socket]:
        """SIGTERM and SIGINT say stop, SIGCHLD only wakes; the former handlers come back at the end."""
        ours, theirs = socket.socketpair()
        ours.settimeout(0.0)
        theirs.settimeout(0.0)
        handlers = {
            signal.SIGTERM: lambda *_: self.stop(),
            signal.SIGINT: lambda *_: self.stop(),
            signal.SIGCHLD: lambda *_: None,
        }
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        fd_before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        try:
            yield ours
        finally:
            signal.set_wakeup_fd(fd_before)
            for number, handler in before.items():
                signal.signal(number, handler)
            ours.close()
            theirs.close()
