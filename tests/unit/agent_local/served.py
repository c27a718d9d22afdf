"""A local socket that a thread serves as the supervisor's loop would, with an answer that a test chooses."""

from __future__ import annotations

import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.core import events as ev
from agent.local.listener import LocalSocket
from agent.local.messages import Answer, Request


class Script:
    """Answers everything alike, and remembers what was asked."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[Request] = []

    def __call__(self, request: Request, _now_s: float) -> tuple[Answer, list[ev.Event]]:
        self.asked.append(request)
        return self.answer, [ev.Tick()]


def turn(part: LocalSocket, now_s: float = 0.0, *, wait_ms: int = 20) -> list[ev.Event]:
    """One turn of a loop that serves nothing else."""
    poll = select.poll()
    watched = {one.fd: one for one in part.watched()}
    for fd, one in watched.items():
        poll.register(fd, one.mask)
    events = [event for fd, happened in poll.poll(wait_ms) for event in watched[fd].handle(happened, now_s)]
    return [*events, *part.tick(now_s)]


@contextmanager
def serving(path: Path, answer: Answer) -> Iterator[Script]:
    """Serve at ``path`` in a thread, for a client that waits."""
    script, done = Script(answer), threading.Event()
    part = LocalSocket(path, group=None)
    part.serve(script)

    def loop() -> None:
        while not done.is_set():
            turn(part)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield script
    finally:
        done.set()
        thread.join()
        part.close()
