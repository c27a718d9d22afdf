"""A network in memory and a time that moves only when somebody waits.

``MemoryTransport`` passes the same conformance suite as the real one (tests/conformance/test_update_transport.py).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from agent.update_client.errors import ServerError
from agent.update_client.report import Report
from agent.update_client.transport import Reply

BASE = "http://registry"


@dataclass
class FakeTime:
    """Clock and Sleeper."""

    utc: float | None = None
    now_s: float = 100.0
    waits: list[float] = field(default_factory=list)

    def monotonic_s(self) -> float:
        return self.now_s

    def utc_s(self) -> float | None:
        return self.utc

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now_s += seconds


@dataclass
class Fault:
    """What goes wrong with the next requests for a path."""

    status: int | None = None  # answer with this and an empty body
    headers: dict[str, str] = field(default_factory=dict)  # added to the answer
    break_after: int | None = None  # break off after so many bytes of the body
    end_after: int | None = None  # end the body early as if that were all
    ignore_range: bool = False
    at_most: int | None = None  # answer a range with no more than so many bytes
    is_down: bool = False
    content: bytes | None = None  # send this instead
    endless: bool = False
    times: int = 1


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]


class MemoryTransport:
    """A server of ``files`` (path -> content) with strong ETags and ranges, and scripted faults.

    Args:
        files: Looked up at every request.
        chunk_bytes: Size of the pieces in which bodies arrive.
    """

    def __init__(self, files: Callable[[str], bytes | None], *, chunk_bytes: int = 1000) -> None:
        self._files = files
        self._chunk_bytes = chunk_bytes
        self.faults: dict[str, list[Fault]] = {}
        self.requests: list[Request] = []
        self.sent_bytes = 0
        self.on_chunk: Callable[[], None] = lambda: None

    def fail(self, path: str, fault: Fault) -> None:
        self.faults.setdefault(path, []).append(fault)

    def asked(self, path: str) -> list[dict[str, str]]:
        """The headers of every request for a path."""
        return [request.headers for request in self.requests if request.path == path]

    @contextmanager
    def get(self, url: str, headers: Mapping[str, str], *, timeout_s: float) -> Iterator[Reply]:
        path = url.removeprefix(BASE)
        fault = self._fault(path)
        self.requests.append(Request(path, dict(headers)))
        if fault.is_down or not url.startswith(BASE):
            raise ServerError(f"{url}: no answer (connection refused)")
        status, extra, body = self._answer(path, headers, fault)
        yield Reply(status=status, headers=extra | fault.headers, chunks=self._chunks(url, body, fault))

    def _fault(self, path: str) -> Fault:
        waiting = self.faults.get(path, [])
        if not waiting:
            return Fault()
        waiting[0].times -= 1
        return waiting.pop(0) if waiting[0].times <= 0 else waiting[0]

    def _answer(self, path: str, headers: Mapping[str, str], fault: Fault) -> tuple[int, dict[str, str], bytes]:
        content = fault.content if fault.content is not None else self._files(path)
        if fault.status is not None:
            return fault.status, {}, b""
        if content is None:
            return 404, {}, b"no such file\n"
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        wanted = headers.get("range")
        matches = headers.get("if-range", etag) == etag
        if wanted is None or fault.ignore_range or not matches:
            return 200, {"etag": etag, "content-length": str(len(content))}, content
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= len(content):
            return 416, {"content-range": f"bytes */{len(content)}"}, b""
        body = content[start:] if fault.at_most is None else content[start : start + fault.at_most]
        span = f"bytes {start}-{start + len(body) - 1}/{len(content)}"
        return 206, {"etag": etag, "content-range": span, "content-length": str(len(body))}, body

    def _chunks(self, url: str, body: bytes, fault: Fault) -> Iterator[bytes]:
        while fault.endless:
            yield self._piece(bytes(self._chunk_bytes))
        end = len(body) if fault.end_after is None else fault.end_after
        for start in range(0, end, self._chunk_bytes):
            piece = body[start : min(start + self._chunk_bytes, end)]
            if fault.break_after is not None and start + len(piece) > fault.break_after:
                yield self._piece(piece[: fault.break_after - start])
                raise ServerError(f"{url}: broke off")
            yield self._piece(piece)

    def _piece(self, data: bytes) -> bytes:
        self.on_chunk()
        self.sent_bytes += len(data)
        return data


class Events:
    """Collects what a Report writes."""

    def __init__(self, time: FakeTime | None = None) -> None:
        self.lines: list[dict[str, Any]] = []
        self.report = Report(lambda line: self.lines.append(json.loads(line)), time or FakeTime())

    def named(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["event"] == event]

    @property
    def last(self) -> dict[str, Any]:
        return self.lines[-1]
