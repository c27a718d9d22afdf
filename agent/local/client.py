"""Asks the running agent: one request, one answer."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

from agent.local.address import short
from agent.local.errors import LocalError, NotRunningError
from agent.local.messages import MAX_ANSWER_BYTES, Answer, Request
from edge_models.errors import FieldError
from edge_models.fields import canonical_json, decode_json

TIMEOUT_S = 10.0
_READ_BYTES = 1 << 16


def ask(path: Path, request: Request, *, timeout_s: float = TIMEOUT_S) -> Answer:
    """The answer of the agent that listens at ``path``.

    Raises:
        LocalError: This user may not ask, or the agent does not answer.
        NotRunningError: No agent runs there.
    """
    try:
        line = _exchanged(path, canonical_json(request).rstrip(b"\n") + b"\n", timeout_s)
    except (FileNotFoundError, ConnectionRefusedError) as exc:
        raise NotRunningError(
            f"no agent runs: nobody listens at {path}; start it with driftline-agent run, or systemctl start"
        ) from exc
    except PermissionError as exc:
        raise LocalError(
            f"{path}: this user may not ask the agent, expected its own user or the group in local.group; use sudo"
        ) from exc
    except BlockingIOError as exc:
        raise LocalError(f"{path}: too many wait for the agent already, expected a free place; try again") from exc
    except TimeoutError as exc:
        raise LocalError(
            f"{path}: the agent did not answer within {timeout_s:.0f} s, expected a line; look at its log"
        ) from exc
    except OSError as exc:
        raise LocalError(f"{path}: {exc.strerror}, expected the socket of an agent") from exc
    if not line:
        raise LocalError(f"{path}: the agent hung up, expected an answer; it may be busy, try again")
    try:
        return decode_json(Answer, line, max_bytes=MAX_ANSWER_BYTES)
    except FieldError as exc:
        raise LocalError(f"{path}: {exc}; is the agent of another version?") from exc


def _exchanged(path: Path, line: bytes, timeout_s: float) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection, short(path) as address:
        connection.settimeout(timeout_s)
        connection.connect(address)
        answer = bytearray()
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):  # it hung up: there is no answer
            connection.sendall(line)
            while len(answer) <= MAX_ANSWER_BYTES and (data := connection.recv(_READ_BYTES)):
                answer += data
    return bytes(answer)
