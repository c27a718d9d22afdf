"""The worker's end of the socketpair: messages in, messages out, never waiting.

What cannot be written at once waits in memory. Copies that somebody may do without (predictions, shadow frames) are
dropped when the supervisor is slow; the rest is kept up to a bound, beyond which the supervisor is taken for dead.
"""

from __future__ import annotations

import socket

from agent.errors import IpcError
from agent.ipc import Message
from agent.ipc_frames import FrameReader, encode_frame

RECEIVE_BYTES = 1 << 16
DROP_ABOVE_BYTES = 1 << 20
GIVE_UP_ABOVE_BYTES = 16 << 20
FAREWELL_S = 1.0  # how long a last message may take before the process ends anyway


class SupervisorLink:
    """Frames of ``agent.ipc`` over a stream socket, which this object owns."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)  # noqa: FBT003 - the standard library's signature
        self._connection = connection
        self._reader = FrameReader()
        self._outgoing = bytearray()
        self.closed = False
        self.dropped = 0

    def fileno(self) -> int:
        """For selectors."""
        return self._connection.fileno()

    @property
    def waiting(self) -> bool:
        """Whether bytes wait to be written."""
        return bool(self._outgoing)

    def receive(self) -> list[tuple[Message, bytes]]:
        """Messages that arrived; sets ``closed`` when the supervisor is gone.

        Raises:
            IpcError: The bytes are no messages.
        """
        try:
            data = self._connection.recv(RECEIVE_BYTES)
        except (BlockingIOError, InterruptedError):
            return []
        except OSError:
            data = b""
        if not data:
            self.closed = True
            return []
        return self._reader.feed(data)

    def send(self, message: Message, body: bytes = b"", *, droppable: bool = False) -> None:
        """Write a message, or keep what does not fit into the socket yet.

        Raises:
            IpcError: Too large, or the supervisor has not read for so long that memory runs out.
        """
        if droppable and len(self._outgoing) > DROP_ABOVE_BYTES:
            self.dropped += 1
            return
        self._outgoing += encode_frame(message, body)
        if len(self._outgoing) > GIVE_UP_ABOVE_BYTES:
            raise IpcError(f"{len(self._outgoing)} bytes wait for the supervisor, expected it to read")
        self.flush()

    def flush(self) -> None:
        """Write what the socket takes; sets ``closed`` when the supervisor is gone."""
        try:
            while self._outgoing:
                del self._outgoing[: self._connection.send(self._outgoing)]
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.closed = True
            self._outgoing.clear()

    def close(self) -> None:
        """Say what is still to be said, for a moment at most, and close."""
        self._connection.settimeout(FAREWELL_S)
        try:
            self._connection.sendall(self._outgoing)
        except OSError:
            self._outgoing.clear()
        self._connection.close()
