"""HTTP as the update client sees it: a port, and the adapter on urllib3.

The adapter turns everything that can go wrong on the way into ServerError, before the answer and in the middle of it; a
status is no error here, its meaning is the caller's. Bodies are passed on as they arrive, never decoded: a byte range
counts stored bytes. Redirects are followed, because everything that comes back is checked against signatures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urljoin

import urllib3
from urllib3.exceptions import HTTPError

from agent.update_client.errors import ServerError

_CHUNK_BYTES = 64 * 1024
_CONNECT_TIMEOUT_S = 10.0
_GAP_TIMEOUT_S = 30.0  # between two pieces of an answer
_MAX_REDIRECTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer whose body is still on its way.

    Attributes:
        status: HTTP status.
        headers: Names in lower case.
        chunks: The body as it arrives; raises ServerError when it breaks off. Read it inside the ``with`` block.
    """

    status: int
    headers: Mapping[str, str]
    chunks: Iterator[bytes]


class Transport(Protocol):
    """Gets things by URL."""

    def get(self, url: str, headers: Mapping[str, str], *, timeout_s: float) -> AbstractContextManager[Reply]:
        """Send a GET request.

        Args:
            url: What to get.
            headers: Beyond those that the transport sets itself.
            timeout_s: Upper bound on waiting for the next byte.

        Raises:
            ServerError: There is no answer.
        """
        ...


class HttpTransport:
    """Transport on urllib3; TLS trusts the system's certificates."""

    def __init__(self, *, user_agent: str) -> None:
        """Open no connection yet."""
        self._pool = urllib3.PoolManager(
            num_pools=4,
            headers={"user-agent": user_agent, "accept-encoding": "identity"},
            retries=False,
        )

    @contextmanager
    def get(self, url: str, headers: Mapping[str, str], *, timeout_s: float) -> Iterator[Reply]:
        """Send a GET request; see Transport."""
        timeout = urllib3.Timeout(connect=min(_CONNECT_TIMEOUT_S, timeout_s), read=min(_GAP_TIMEOUT_S, timeout_s))
        response = self._answer(url, {**self._pool.headers, **headers}, timeout)
        try:
            names = {name.lower(): value for name, value in response.headers.items()}
            yield Reply(status=response.status, headers=names, chunks=_chunks(response, url))
        finally:
            response.close()  # a connection whose body was read to its end is back in the pool already

    def _answer(self, url: str, headers: Mapping[str, str], timeout: urllib3.Timeout) -> urllib3.BaseHTTPResponse:
        # Redirects are followed here: urllib3 would read the body of each to its end, which it need not have.
        place = url
        for _ in range(1 + _MAX_REDIRECTS):
            try:
                response = self._pool.request(
                    "GET",
                    place,
                    headers=headers,
                    preload_content=False,
                    decode_content=False,
                    redirect=False,
                    timeout=timeout,
                )
            except (HTTPError, OSError, ValueError) as exc:
                raise ServerError(f"{url}: no answer ({_reason(exc)})") from exc
            location = response.get_redirect_location()
            if not location:
                return response
            response.close()
            try:
                place = urljoin(place, location)
            except ValueError as exc:
                raise ServerError(f"{url}: leads to {location[:80]!r}, which is no address") from exc
        raise ServerError(f"{url}: leads on more than {_MAX_REDIRECTS} times")

    def close(self) -> None:
        """Close idle connections."""
        self._pool.clear()


def _chunks(response: urllib3.BaseHTTPResponse, url: str) -> Iterator[bytes]:
    # read1 returns what has arrived; read would wait for a full chunk, so that a server which sends a byte now and
    # then could hold the reader for hours without it ever looking at its deadline.
    try:
        while data := response.read1(_CHUNK_BYTES):
            yield data
    except (HTTPError, OSError, ValueError) as exc:
        raise ServerError(f"{url}: broke off ({_reason(exc)})") from exc


def _reason(exc: Exception) -> str:
    cause = getattr(exc, "reason", None) or exc
    text = cause.args[0] if cause.args and isinstance(cause.args[0], str) else str(cause)
    return text.partition(": ")[2] or text or type(cause).__name__  # urllib3 puts the connection's repr before a colon
