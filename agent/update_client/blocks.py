"""A transport where only the broker can be reached: files in blocks, which the supervisor asks for and passes on.

It looks like HTTP to its users: ranges, ETags and statuses are worked out here. A window of a few blocks is on its way
at any time; half of it is asked for anew as soon as it is free. What does not come is asked for again, from the first
byte that is missing; blocks may come twice, in any order, and shorter than asked for. Nothing is trusted: what comes is
held against signatures, as with HTTP.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import select
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol
from urllib.parse import unquote

from agent.ports import Clock
from agent.update_client.errors import RefusedError, ServerError
from agent.update_client.transport import Reply
from edge_models.errors import FieldError
from edge_models.fields import decode_json
from edge_models.manifest import SHA256
from edge_models.wire.files import BLOCK_BYTES, FILE_PATH, MAX_BLOCKS, FileBlock, FileGet

ASK_AGAIN_S = 5.0  # a round trip through a busy broker and a slow line
TRIES = 4  # of one question; then the caller's longer waits take over
BUSY_WAIT_S = 10.0
_WINDOW_BYTES = MAX_BLOCKS * BLOCK_BYTES
_MAX_LINE_BYTES = 64 * 1024


class Questions(Protocol):
    """The way to the registry."""

    def ask(self, question: FileGet) -> None:
        """Send a question; it may be lost."""
        ...

    def answer(self, timeout_s: float) -> FileBlock | None:
        """The next block that comes, whoever asked for it; None when none comes in time."""
        ...


class BlockTransport:
    """Transport over blocks.

    Args:
        questions: The way.
        clock: For waits.
        base_url: What URLs begin with; the rest names a file of the registry.
        new_id: Gives each reply an id of its own, so that late blocks of others are known.
        ask_again_s: Silence after which a question is repeated.
    """

    def __init__(
        self,
        questions: Questions,
        clock: Clock,
        *,
        base_url: str,
        new_id: Callable[[], str],
        ask_again_s: float = ASK_AGAIN_S,
    ) -> None:
        self._questions = questions
        self._clock = clock
        self._base_url = base_url.rstrip("/") + "/"
        self._new_id = new_id
        self._ask_again_s = ask_again_s

    @contextmanager
    def get(self, url: str, headers: Mapping[str, str], *, timeout_s: float) -> Iterator[Reply]:
        """Send a GET request; see Transport."""
        path = unquote(url.removeprefix(self._base_url))
        if not url.startswith(self._base_url) or not re.fullmatch(FILE_PATH, path):
            raise RefusedError(f"{url}: no name of a file that can come through the broker")
        etag = _etag(path)
        start = _start(headers, etag)
        stream = _Stream(self._questions, self._clock, self._new_id(), path, start, self._ask_again_s, timeout_s)
        first = stream.first(url)
        size = first.size
        if size is None:
            yield Reply(status=404, headers={}, chunks=iter(()))
        elif start and start >= size:
            yield Reply(status=416, headers={"content-range": f"bytes */{size}"}, chunks=iter(()))
        else:
            told = {"content-length": str(size - start)} | ({} if etag is None else {"etag": etag})
            if "range" in headers and start:
                told["content-range"] = f"bytes {start}-{size - 1}/{size}"
            yield Reply(status=206 if "content-range" in told else 200, headers=told, chunks=stream.chunks(url, size))


class _Stream:
    """The bytes of one file from ``start`` on."""

    def __init__(
        self,
        questions: Questions,
        clock: Clock,
        name: str,
        path: str,
        start: int,
        ask_again_s: float,
        timeout_s: float,
    ) -> None:
        self._questions = questions
        self._clock = clock
        self._name = name
        self._path = path
        self._next = self._asked_to = start
        self._expected: set[int] = set()  # offsets of blocks on their way
        self._held: dict[int, bytes] = {}  # blocks that came before those in front of them
        self._ask_again_s = ask_again_s
        self._timeout_s = timeout_s

    def first(self, url: str) -> FileBlock:
        """The first block that comes: it tells the size."""
        self._ask()
        block = self._wait(f"{url}: no answer (nobody serves files through the broker, or the line is down)")
        if block.size is not None:
            self._keep(block, block.size)
        return block

    def chunks(self, url: str, size: int) -> Iterator[bytes]:
        """The body."""
        while self._next < size:
            data = self._held.pop(self._next, b"")
            if data:
                self._next += len(data)
                self._asked_to = max(self._asked_to, self._next)
                if self._next < size and self._asked_to - self._next <= _WINDOW_BYTES // 2:
                    self._ask()
                yield data
                continue
            block = self._wait(f"{url}: broke off (no block came)")
            if block.size != size:
                raise ServerError(f"{url}: broke off (the file was replaced)")
            self._keep(block, size)

    def _ask(self) -> None:
        free = (self._next + _WINDOW_BYTES - self._asked_to) // BLOCK_BYTES
        if free > 0:
            self._questions.ask(FileGet(id=self._name, path=self._path, offset=self._asked_to, blocks=free))
            self._expected.update(range(self._asked_to, self._asked_to + free * BLOCK_BYTES, BLOCK_BYTES))
            self._asked_to += free * BLOCK_BYTES

    def _wait(self, otherwise: str) -> FileBlock:
        """The next block of ours that is worth anything; what is missing is asked for again meanwhile."""
        end_s = self._clock.monotonic_s() + self._timeout_s
        for _ in range(TRIES):
            again_s = min(self._clock.monotonic_s() + self._ask_again_s, end_s)
            while (left_s := again_s - self._clock.monotonic_s()) > 0:
                block = self._questions.answer(left_s)
                if block is None or block.id != self._name:
                    continue
                if block.code == "busy":
                    raise ServerError(f"{otherwise}: the registry is busy", retry_after_s=BUSY_WAIT_S)
                if block.size is None or block.data or block.offset >= block.size:
                    return block
            if self._clock.monotonic_s() >= end_s:
                break
            self._asked_to = self._next
            self._expected.clear()
            self._held.clear()
            self._ask()
        raise ServerError(otherwise)

    def _keep(self, block: FileBlock, size: int) -> None:
        try:
            data = base64.b64decode(block.data, validate=True)
        except (binascii.Error, ValueError):
            return  # as if it had not come
        if block.offset in self._expected and 0 < len(data) <= min(BLOCK_BYTES, size - block.offset):
            self._expected.remove(block.offset)
            self._held[block.offset] = data


class PipeQuestions:
    """Questions through the pipes to the supervisor.

    Args:
        write: Takes a question.
        fd: Where blocks come as lines of JSON.
    """

    def __init__(self, write: Callable[[FileGet], None], fd: int) -> None:
        self._write = write
        self._fd = fd
        self._pending = b""
        self._is_open = True

    def ask(self, question: FileGet) -> None:
        """Send a question."""
        self._write(question)

    def answer(self, timeout_s: float) -> FileBlock | None:
        """The next block; None when none comes in time, or what comes is none."""
        line = self._line(timeout_s)
        try:
            return decode_json(FileBlock, line, max_bytes=_MAX_LINE_BYTES) if line else None
        except FieldError:
            return None

    def _line(self, timeout_s: float) -> bytes:
        while b"\n" not in self._pending:
            ready = select.select([self._fd] if self._is_open else [], [], [], timeout_s)[0]
            data = os.read(self._fd, _MAX_LINE_BYTES) if ready else b""
            if not data:
                self._is_open = self._is_open and not ready
                return b""
            self._pending = (self._pending + data)[-4 * _MAX_LINE_BYTES :]
        line, _, self._pending = self._pending.partition(b"\n")
        return line


def _etag(path: str) -> str | None:
    """Targets are named by their digest, which makes it a strong validator."""
    digests = re.findall(rf"(?<![0-9a-f]){SHA256}(?![0-9a-f])", path) if path.startswith("targets/") else []
    return f'"{digests[-1]}"' if digests else None


def _start(headers: Mapping[str, str], etag: str | None) -> int:
    span = re.fullmatch(r"bytes=(\d{1,15})-", headers.get("range", ""))
    return int(span[1]) if span and headers.get("if-range", etag) == etag else 0
