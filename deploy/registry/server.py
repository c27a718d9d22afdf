"""The registry over HTTP: GET and HEAD of metadata and targets, with Range, so that downloads resume.

Only names that a registry writes are answered; keys lie outside the served folder and have no route. What is named by
digest or version never changes and may be cached for ever; timestamp.json, and every refusal, never.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from deploy.errors import DeployError, Terminated
from deploy.registry.errors import RegistryUsageError
from deploy.registry.served import served

log = logging.getLogger(__name__)

_FOR_EVER = "public, max-age=31536000, immutable"
_NEVER = "no-store"
_MAX_CONNECTIONS = 512
_GRACE_S = 2
_MAX_PORT = 65535


def application(public: Path) -> Starlette:
    """The web application over the served folder of a registry."""

    async def file(request: Request) -> Response:
        found = served(public, request.url.path.removeprefix("/"))
        if found is None:
            return PlainTextResponse("no such file\n", 404, {"cache-control": _NEVER})
        headers = {"cache-control": _FOR_EVER if found.is_final else _NEVER}
        if found.digest is not None:
            headers["etag"] = f'"{found.digest}"'
        kind = "application/json" if found.is_json else "application/octet-stream"
        return FileResponse(found.path, headers=headers, media_type=kind)

    async def health(_: Request) -> Response:
        is_ready = (public / "metadata" / "timestamp.json").is_file()
        return JSONResponse({"ok": is_ready}, 200 if is_ready else 503, {"cache-control": _NEVER})

    routes = [
        Route("/health", health),
        Route("/metadata/{name}", file),
        Route("/targets/{path:path}", file),
    ]
    return Starlette(routes=routes)


def serve(directory: Path, host: str, port: int, *, ready: Callable[[str], None] | None = None) -> None:
    """Serve a registry until SIGINT or SIGTERM.

    Args:
        directory: The registry's directory; only its ``public`` folder is served.
        host: Address to listen on.
        port: TCP port; 0 takes a free one.
        ready: Called with the URL once connections are accepted.

    Raises:
        RegistryUsageError: The address cannot be listened on.
    """
    with contextlib.suppress(KeyboardInterrupt, Terminated), listen(host, port) as listener:
        if ready is not None:
            ready(url_of(listener))
        build_server(directory / "public").run(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; connections wait in it until a server takes them."""
    if not 0 <= port <= _MAX_PORT:
        raise RegistryUsageError(f"--port: found {port}, expected 0 to {_MAX_PORT}")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as exc:
        raise RegistryUsageError(
            f"cannot listen on {host}:{port}: {exc.strerror}; choose another --host or --port"
        ) from exc


def url_of(listener: socket.socket) -> str:
    """Address of a listening socket, as a device's ``update.url`` wants it."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def build_server(public: Path) -> uvicorn.Server:
    """The HTTP server over the served folder; ``run(sockets=[...])`` blocks until ``should_exit``."""
    config = uvicorn.Config(
        application(public),
        access_log=False,
        lifespan="off",
        limit_concurrency=_MAX_CONNECTIONS,
        log_config=None,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
        ws="none",
    )
    return uvicorn.Server(config)


class Renewal:
    """A thread that calls ``renew`` now and then while the ``with`` block runs, so that signatures do not expire."""

    def __init__(self, renew: Callable[[], object], *, period_s: float) -> None:
        """Keep what to call and how often."""
        self._renew = renew
        self._period_s = period_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="renewal", daemon=True)

    def __enter__(self) -> None:
        """Start."""
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        """Stop, and wait for a renewal that is under way."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                self._renew()
            except (DeployError, OSError) as exc:  # what is served stays valid for days yet; say so each time
                log.warning("registry cannot renew signatures: %s", exc)
            if self._stop.wait(self._period_s):
                return
