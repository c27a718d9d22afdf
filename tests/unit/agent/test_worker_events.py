"""What of a worker's words the core hears."""

from __future__ import annotations

from agent import ipc
from agent.core import events as ev
from agent.worker_events import event_of


def test_a_source_that_stays_down_is_told_ever_more_seldom() -> None:
    words = [ipc.SourceDown(reason="camera 0: gone", failures=count, retry_s=1.0) for count in range(1, 101)]

    events = [event_of(word, b"", "b" * 64) for word in words]

    told = [event.down.failures for event in events if isinstance(event, ev.SourceDown)]
    assert told == [1, 2, 4, 8, 16, 32, 64]


def test_a_source_that_is_back_is_always_told() -> None:
    assert event_of(ipc.SourceUp(down_s=3.0), b"", "b" * 64) == ev.SourceUp(up=ipc.SourceUp(down_s=3.0))
