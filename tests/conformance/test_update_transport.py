"""What every Transport of the update client does: on urllib3, in blocks, behind bounds, and in memory for tests."""

from __future__ import annotations

import hashlib
import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Protocol

import pytest

from agent.storage import Storage
from agent.update_client.blocks import BlockTransport
from agent.update_client.errors import ServerError
from agent.update_client.limits import DailyBudget, RateLimited
from agent.update_client.transport import HttpTransport, Transport
from tests.unit.update_client.fakes import BASE, FakeTime, Fault, MemoryTransport
from tests.unit.update_client.lines import Line

CONTENT = random.Random(5).randbytes(200_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
PATH = f"/targets/blobs/{DIGEST}"
TIMEOUT_S = 5.0


class Network(Protocol):
    """A transport, and a server behind it that has ``CONTENT`` at ``PATH``."""

    transport: Transport
    url: str

    def broken_url(self, *, sent: int) -> str:
        """Where the body of CONTENT breaks off after ``sent`` bytes."""
        ...

    def dead_url(self) -> str:
        """Where nobody listens."""
        ...


class MemoryNetwork:
    """All in memory."""

    def __init__(self) -> None:
        self._memory = MemoryTransport({PATH: CONTENT}.get)
        self.transport: Transport = self._memory
        self.url = BASE

    def broken_url(self, *, sent: int) -> str:
        self._memory.fail(PATH, Fault(break_after=sent))
        return BASE + PATH

    def dead_url(self) -> str:
        return "http://nowhere/x"


class BoundedNetwork(MemoryNetwork):
    """The same behind a rate and a budget that are never reached."""

    def __init__(self, state: Path) -> None:
        super().__init__()
        time = FakeTime(utc=1.8e9)
        budget = DailyBudget(Storage(state), time, 1 << 40)
        self.transport = budget.limited(RateLimited(self.transport, 1 << 20, time, time))


class BlockNetwork:
    """Blocks through a line in memory."""

    def __init__(self) -> None:
        self.url = BASE
        self._line = Line({PATH: CONTENT, "/targets/" + "0" * 64: CONTENT}.get)
        self.transport: Transport = BlockTransport(
            self._line, self._line.time, base_url=BASE, new_id=(f"r{number}" for number in count()).__next__
        )

    def broken_url(self, *, sent: int) -> str:
        self._line.end_after = sent
        return BASE + PATH

    def dead_url(self) -> str:
        self._line.is_dead = True
        return BASE + PATH


class HttpNetwork:
    """The registry's server on a port of this machine."""

    def __init__(self, public: Path) -> None:
        from deploy.registry.server import build_server, listen, url_of

        (public / "targets/blobs").mkdir(parents=True)
        (public / PATH.lstrip("/")).write_bytes(CONTENT)
        self._http = HttpTransport(user_agent="driftline-test")
        self.transport: Transport = self._http
        self._listener = listen("127.0.0.1", 0)
        self.url = url_of(self._listener)
        self._server = build_server(public)
        self._threads = [threading.Thread(target=self._server.run, kwargs={"sockets": [self._listener]})]
        self._threads[0].start()

    def broken_url(self, *, sent: int) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        thread = threading.Thread(target=_break_off, args=(listener, sent))
        thread.start()
        self._threads.append(thread)
        return f"http://127.0.0.1:{listener.getsockname()[1]}/x"

    def dead_url(self) -> str:
        with closing(socket.create_server(("127.0.0.1", 0))) as listener:
            return f"http://127.0.0.1:{listener.getsockname()[1]}/x"

    def close(self) -> None:
        self._http.close()
        self._server.should_exit = True
        for thread in self._threads:
            thread.join(10)
        self._listener.close()


def _break_off(listener: socket.socket, sent: int) -> None:
    with listener, listener.accept()[0] as connection:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(CONTENT) + CONTENT[:sent])


@pytest.fixture(scope="module", params=["memory", "bounded", "blocks", "http"])
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    if request.param != "http":
        made: dict[str, Callable[[], Network]] = {
            "memory": MemoryNetwork,
            "bounded": lambda: BoundedNetwork(tmp_path_factory.mktemp("state")),
            "blocks": BlockNetwork,
        }
        yield made[request.param]()
        return
    pytest.importorskip("uvicorn", reason="the registry's server needs the extra deploy")
    http = HttpNetwork(tmp_path_factory.mktemp("public"))
    yield http
    http.close()


def get(network: Network, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    with network.transport.get(network.url + path, names, timeout_s=TIMEOUT_S) as reply:
        return reply.status, dict(reply.headers), b"".join(reply.chunks)


def test_whole_file_comes_with_its_length_and_a_strong_etag(network: Network) -> None:
    status, headers, body = get(network, PATH)

    assert (status, body) == (200, CONTENT)
    assert headers["content-length"] == str(len(CONTENT))
    assert headers["etag"] == f'"{DIGEST}"'


@pytest.mark.parametrize("path", ["/targets/blobs/" + "0" * 64, "/metadata/2.root.json", "/elsewhere"])
def test_absent_file_is_a_status_and_no_error(network: Network, path: str) -> None:
    status, _, _ = get(network, path)

    assert status == 404


@pytest.mark.parametrize("start", [1, 65_536, len(CONTENT) - 1])
def test_range_with_the_same_etag_continues(network: Network, start: int) -> None:
    status, headers, body = get(network, PATH, range=f"bytes={start}-", if_range=f'"{DIGEST}"')

    assert (status, body) == (206, CONTENT[start:])
    assert headers["content-range"] == f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"


def test_range_without_etag_continues_too(network: Network) -> None:
    status, _, body = get(network, PATH, range="bytes=100-")

    assert (status, body) == (206, CONTENT[100:])


def test_range_with_another_etag_starts_again(network: Network) -> None:
    status, _, body = get(network, PATH, range="bytes=100-", if_range='"other"')

    assert (status, body) == (200, CONTENT)


def test_range_behind_the_end_cannot_be_satisfied(network: Network) -> None:
    status, headers, _ = get(network, PATH, range=f"bytes={len(CONTENT)}-")

    assert status == 416
    assert headers["content-range"] == f"bytes */{len(CONTENT)}"


def test_body_may_be_left_unread(network: Network) -> None:
    for _ in range(3):
        with network.transport.get(network.url + PATH, {}, timeout_s=TIMEOUT_S) as reply:
            assert CONTENT.startswith(next(reply.chunks))

    assert get(network, PATH)[2] == CONTENT


@pytest.mark.parametrize("sent", [0, 100, 150_000])
def test_body_that_breaks_off_is_a_server_error_after_what_arrived(network: Network, sent: int) -> None:
    received = bytearray()

    def read() -> None:
        with network.transport.get(network.broken_url(sent=sent), {}, timeout_s=TIMEOUT_S) as reply:
            for chunk in reply.chunks:
                received.extend(chunk)

    with pytest.raises(ServerError, match="broke off"):
        read()

    assert received == CONTENT[:sent]


def test_server_that_is_not_there_is_a_server_error(network: Network) -> None:
    with (
        pytest.raises(ServerError, match="no answer"),
        network.transport.get(network.dead_url(), {}, timeout_s=TIMEOUT_S),
    ):
        pass
