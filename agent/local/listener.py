"""The local socket's server: a part of the supervisor's loop that never waits for anybody.

One request and one answer a connection, both bounded; whoever is slow is cut off, and whoever comes as the ninth is
sent away. The file has the permissions 0660 and the group of ``local.group`` before anybody can connect.
"""

from __future__ import annotations

import contextlib
import grp
import logging
import os
import select
import socket
import stat
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path

from agent.core import events as ev
from agent.errors import ConfigError
from agent.local.address import short
from agent.local.messages import MAX_ANSWER_BYTES, MAX_REQUEST_BYTES, Answer, Request
from agent.parts import Watched
from edge_models.errors import FieldError
from edge_models.fields import canonical_json, decode_json

log = logging.getLogger(__name__)

MODE, PRIVATE_MODE = 0o660, 0o600
MOST_CLIENTS = 8
BACKLOG = 64  # who comes while the loop is at something else; they cost the kernel's memory only
PATIENCE_S = 5.0  # for the whole of one connection
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: unix(7), SO_PEERCRED
_PROBE_S = 1.0

Answering = Callable[[Request, float], tuple[Answer, list[ev.Event]]]


class _Client:
    """One connection."""

    def __init__(self, connection: socket.socket, until_s: float) -> None:
        self.connection = connection
        self.until_s = until_s
        self.received = bytearray()
        self.unsent: bytearray | None = None  # None until the request is whole


class LocalSocket:
    """Listens, and lets somebody answer.

    Args:
        path: The socket's file; a stale one of an agent that died is replaced.
        group: Who may use it beside this user; None for nobody.

    Raises:
        ConfigError: Another agent listens there.
    """

    def __init__(self, path: Path, *, group: str | None) -> None:
        self._path = path
        self._answering: Answering | None = None
        self._clients: dict[int, _Client] = {}
        self._listener: socket.socket | None = None
        try:
            self._listener = _listening(path, group)
        except OSError as exc:  # the device does its work without
            log.warning("local socket not opened path=%s reason=%s", path, exc.strerror or exc)

    def serve(self, answering: Answering) -> None:
        """Let requests be answered by this from now on; what follows from one goes to the core."""
        self._answering = answering

    def watched(self) -> list[Watched]:
        """The listener, and everybody who is connected."""
        if self._listener is None or self._answering is None:
            return []
        found = [Watched(self._listener.fileno(), select.POLLIN, self._accept)]
        for fd, client in self._clients.items():
            mask = select.POLLIN if client.unsent is None else select.POLLOUT
            found.append(Watched(fd, mask, partial(self._serve, fd)))
        return found

    def next_deadline_s(self) -> float | None:
        """When the first connection has lasted too long."""
        return min((client.until_s for client in self._clients.values()), default=None)

    def tick(self, now_s: float) -> list[ev.Event]:
        """Cut off who is slow."""
        for fd in [fd for fd, client in self._clients.items() if now_s >= client.until_s]:
            self._drop(fd)
        return []

    def close(self) -> None:
        """Listen no more; the file goes."""
        for fd in list(self._clients):
            self._drop(fd)
        if self._listener is not None:
            self._listener.close()
            self._listener = None
            with contextlib.suppress(OSError):
                self._path.unlink()

    def _accept(self, _happened: int, now_s: float) -> list[ev.Event]:
        if self._listener is None:
            return []
        with contextlib.suppress(OSError):
            connection, _ = self._listener.accept()
            if len(self._clients) >= MOST_CLIENTS:
                connection.close()
                return []
            connection.settimeout(0.0)
            self._clients[connection.fileno()] = _Client(connection, now_s + PATIENCE_S)
        return []

    def _serve(self, fd: int, _happened: int, now_s: float) -> list[ev.Event]:
        client = self._clients.get(fd)
        if client is None or self._answering is None:
            return []
        events: list[ev.Event] = []
        try:
            if client.unsent is None:
                events = _read(client, now_s, self._answering)
            if client.unsent is not None:
                del client.unsent[: client.connection.send(client.unsent)]
                if not client.unsent:
                    self._drop(fd)
        except BlockingIOError:
            pass
        except OSError:
            self._drop(fd)
        return events

    def _drop(self, fd: int) -> None:
        client = self._clients.pop(fd, None)
        if client is not None:
            client.connection.close()


def _read(client: _Client, now_s: float, answering: Answering) -> list[ev.Event]:
    data = client.connection.recv(MAX_REQUEST_BYTES + 1)
    client.received += data
    is_whole = b"\n" in client.received or not data
    if not is_whole and len(client.received) <= MAX_REQUEST_BYTES:
        return []
    line = bytes(client.received).partition(b"\n")[0]
    try:
        request = decode_json(Request, line, max_bytes=MAX_REQUEST_BYTES)
    except FieldError as exc:
        client.unsent = _line(Answer(ok=False, code="bad_request", message=str(exc)[:500]))
        return []
    if request.do == "command":
        verb = "" if request.verb is None else request.verb.value
        log.info("local command verb=%s uid=%d", verb, _uid(client.connection))
    client.unsent = bytearray()  # if the answer fails, it is not tried again, and the connection ends
    answer, events = answering(request, now_s)
    client.unsent = _line(answer)
    return events


def _line(answer: Answer) -> bytearray:
    line = canonical_json(answer)
    if len(line) > MAX_ANSWER_BYTES:
        line = canonical_json(Answer(ok=False, code="too_large", message=f"found an answer of {len(line)} bytes"))
    return bytearray(line if line.endswith(b"\n") else line + b"\n")


def _listening(path: Path, group: str | None) -> socket.socket:
    _make_way(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.settimeout(0.0)
        with short(path) as address:
            listener.bind(address)
        path.chmod(PRIVATE_MODE if group is None else _given_to(path, group))
        listener.listen(BACKLOG)  # from here on others may connect
    except OSError:
        listener.close()
        raise
    return listener


def _make_way(path: Path) -> None:
    """Remove the socket of an agent that died; what is no socket stays."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise FileExistsError(None, "there is a file that is no socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, short(path) as address:
        probe.settimeout(_PROBE_S)
        try:
            probe.connect(address)
        except (ConnectionRefusedError, FileNotFoundError):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
            return
        except (BlockingIOError, TimeoutError):  # so many wait that somebody must be there
            pass
    raise ConfigError(
        f"local.path: another agent listens at {path}, expected one agent for a state directory; stop that one first"
    )


def _given_to(path: Path, group: str) -> int:
    """The mode for a file that belongs to this group now; without such a group, of this user alone."""
    try:
        number = grp.getgrnam(group).gr_gid
        if path.stat().st_gid != number:
            os.chown(path, -1, number)
    except (KeyError, PermissionError) as exc:
        log.warning("local socket is for its own user only group=%s reason=%s", group, exc)
        return PRIVATE_MODE
    return MODE


def _uid(connection: socket.socket) -> int:
    """Of who is connected, as the kernel says."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(raw)[1])
