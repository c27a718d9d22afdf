from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.outbox import Outbox
from agent.storage import Storage
from tests.unit.agent.outboxes import Open


@pytest.fixture
def open_outbox(tmp_path: Path) -> Iterator[Open]:
    with contextlib.ExitStack() as opened:

        def open_(max_bytes: int) -> Outbox:
            return opened.enter_context(contextlib.closing(Outbox(Storage(tmp_path), max_bytes=max_bytes)))

        yield open_
