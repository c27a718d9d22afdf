"""A bad network between a client and its broker: cuts, latency, deaf connections, messages twice or in disorder."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time

PUBLISH = 3  # MQTT 5 section 2.1.2
HOLD_S = 0.05  # the longest that a message waits for one that overtakes it


class Proxy:
    """Passes bytes on to a broker, as badly as a test wants.

    Attributes:
        latency_s: Waited before each piece, either way.
        most_bytes: What a connection brings the client, anything between half of it and all, before it breaks.
        is_mixed: Whether messages of QoS 1 from the client come twice, or after the one that follows them.
        doubled: How many came twice.
        swapped: How many were overtaken.
        connections: How many there have been.
    """

    def __init__(self, target_port: int, *, seed: int = 1) -> None:
        self.latency_s = 0.0
        self.most_bytes: int | None = None
        self.is_mixed = False
        self.doubled = self.swapped = self.connections = 0
        self._target_port = target_port
        self._rng = random.Random(seed)
        self._open: list[tuple[socket.socket, socket.socket]] = []
        self._deaf: set[socket.socket] = set()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)  # or the thread would go on to accept, after the last cut
        self._accepting.join()
        self._server.close()
        self.cut()

    def cut(self) -> None:
        """Break every connection."""
        pairs, self._open = self._open, []
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()

    def go_deaf(self) -> None:
        """Let the connections there are stand open while nothing comes through; later ones work."""
        for pair in self._open:
            self._deaf.update(pair)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                self.connections += 1
                try:
                    broker = socket.create_connection(("127.0.0.1", self._target_port), timeout=2)
                except OSError:
                    client.close()
                    continue
                self._open.append((client, broker))
                threading.Thread(target=self._upward, args=(client, broker), daemon=True).start()
                threading.Thread(target=self._downward, args=(broker, client), daemon=True).start()

    def _downward(self, broker: socket.socket, client: socket.socket) -> None:
        broker.settimeout(None)
        left = self._rng.randint(self.most_bytes // 2, self.most_bytes) if self.most_bytes else None
        with contextlib.suppress(OSError):
            while left != 0 and (data := broker.recv(65536 if left is None else min(left, 65536))):
                self._pass_on(client, data)
                left = None if left is None else left - len(data)
        self._end(client)

    def _upward(self, client: socket.socket, broker: socket.socket) -> None:
        waiting, held = bytearray(), b""
        client.settimeout(HOLD_S)
        with contextlib.suppress(OSError):
            while True:
                try:
                    data = client.recv(65536)
                except TimeoutError:
                    self._pass_on(broker, held)
                    held = b""
                    continue
                if not data:
                    break
                if not self.is_mixed:
                    self._pass_on(broker, held + waiting + data)
                    waiting, held = bytearray(), b""
                    continue
                waiting += data
                while packet := _first_packet(waiting):
                    del waiting[: len(packet)]
                    held = self._mix(broker, packet, held)
        self._end(broker)

    def _mix(self, broker: socket.socket, packet: bytes, held: bytes) -> bytes:
        """Pass a packet on, and the one that was held back; what to hold back now."""
        is_message = packet[0] >> 4 == PUBLISH and packet[0] & 0b110 == 0b010
        if held:
            self.swapped += is_message
            self._pass_on(broker, packet + held if is_message else held + packet)
            return b""
        if self.is_mixed and is_message:
            if self._rng.random() < 0.1:
                return packet
            if self._rng.random() < 0.1:
                self.doubled += 1
                packet += packet
        self._pass_on(broker, packet)
        return b""

    def _pass_on(self, to: socket.socket, data: bytes) -> None:
        if data and to not in self._deaf:
            if self.latency_s:
                time.sleep(self.latency_s)
            to.sendall(data)

    def _end(self, other: socket.socket) -> None:
        if other not in self._deaf:
            with contextlib.suppress(OSError):
                other.shutdown(socket.SHUT_RDWR)


def _first_packet(data: bytearray) -> bytes:
    """The first whole MQTT packet, or nothing (MQTT 5 section 2.1.4: the length has seven bits a byte)."""
    length = 0
    for at in range(1, min(len(data), 5)):
        length |= (data[at] & 0x7F) << 7 * (at - 1)
        if not data[at] & 0x80:
            whole = at + 1 + length
            return bytes(data[:whole]) if len(data) >= whole else b""
    return b""
