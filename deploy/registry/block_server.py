"""The registry through the broker: devices ask for blocks of files where no other port than the broker's is open.

What may be had is the same as over HTTP (``served``). Questions are QoS 0 and asked again by whoever still waits, so
nothing is kept here: a batch of questions is answered, each once, at a rate that leaves the broker to its other work. A
device that asks for more than its share in a batch is heard again later; when a whole batch is waiting, the rest of
the devices are told so.
"""

from __future__ import annotations

import base64
import logging
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from deploy.clock import Clock
from deploy.errors import DeployError
from deploy.link import Delivery
from deploy.registry.served import served
from edge_models.errors import FieldError
from edge_models.wire import Topics, channel_named, decode_payload, encode_message
from edge_models.wire.files import BLOCK_BYTES, FileBlock, FileGet

log = logging.getLogger(__name__)

MAX_BATCH = 100
MAX_OF_A_DEVICE = 4  # in a batch; a download and a check ask for two at a time each
RATE_BYTES_S = 4 << 20  # in all; telemetry shares the broker
_RECEIVE_S = 0.2


class Wire(Protocol):
    """What is needed of a link to the broker."""

    def receive(self, timeout_s: float, *, most: int) -> list[Delivery]:
        """Messages that have come."""
        ...

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool, expiry_s: int | None = None) -> None:
        """Send one."""
        ...


class BlockServer:
    """Answers questions; in a thread for the length of a ``with`` block, or step by step.

    Args:
        public: The served folder of a registry.
        link: Subscribed to ``subscriptions(topics)``.
        topics: Of the fleet.
        clock: Spreads answers.
        bytes_per_s: Bound on what is sent.

    Attributes:
        refused: Questions that were none.
    """

    def __init__(
        self, public: Path, link: Wire, topics: Topics, clock: Clock, *, bytes_per_s: int = RATE_BYTES_S
    ) -> None:
        self._public = public
        self._link = link
        self._topics = topics
        self._clock = clock
        self._bytes_per_s = bytes_per_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="blocks", daemon=True)
        self.refused = 0

    def __enter__(self) -> None:
        """Start."""
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        """Stop after the present answer."""
        self._stop.set()
        self._thread.join()

    def step(self, timeout_s: float = _RECEIVE_S) -> None:
        """Answer what has come."""
        batch = self._link.receive(timeout_s, most=MAX_BATCH)
        questions = self._read(batch)
        is_crowded = len(batch) >= MAX_BATCH
        counts: Counter[str] = Counter()
        for number, (device, question) in enumerate(questions):
            counts[device] += 1
            if counts[device] > MAX_OF_A_DEVICE:
                continue
            if is_crowded and number >= MAX_BATCH // 2:
                self._send(device, FileBlock(id=question.id, offset=question.offset, code="busy"))
                continue
            for block in blocks(self._public, question):
                self._send(device, block)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.step()
            except (DeployError, OSError) as exc:
                log.warning("blocks not sent: %s", exc)
                self._stop.wait(1.0)
            except Exception:  # a mistake of ours: the question that has found it must not end the service
                log.exception("question not understood")
                self._stop.wait(1.0)

    def _read(self, batch: Sequence[Delivery]) -> list[tuple[str, FileGet]]:
        """The questions in a batch, each once; one that was asked again has the place of its last time."""
        found: dict[tuple[str, str, int], FileGet] = {}
        for delivery in batch:
            if len(delivery.payload) > channel_named("file/get").max_bytes:
                self.refused += 1
                continue
            try:
                device, kind = self._topics.parse(delivery.topic)
                question = decode_payload(channel_named("file/get"), delivery.payload)
            except FieldError as exc:
                self.refused += 1
                log.debug("question refused: %s", exc)
                continue
            if kind != "file/get" or delivery.retained or not isinstance(question, FileGet):
                self.refused += 1
                continue
            key = (device, question.id, question.offset)
            found.pop(key, None)
            found[key] = question
        return [(device, question) for (device, _, _), question in found.items()]

    def _send(self, device: str, block: FileBlock) -> None:
        channel = channel_named("file/block")
        payload = encode_message(block)
        topic = self._topics.file_block(device)
        self._link.publish(topic, payload, qos=channel.qos, retain=channel.retain, expiry_s=channel.expiry_s)
        self._clock.sleep(len(payload) / self._bytes_per_s)


def subscriptions(topics: Topics) -> list[tuple[str, int]]:
    """The topic filter that a server of blocks needs, with its QoS."""
    return [(topics.file_get("+"), channel_named("file/get").qos)]


def blocks(public: Path, question: FileGet) -> Iterator[FileBlock]:
    """What answers a question: blocks up to the end of the file, or one without data.

    Raises:
        OSError: The registry's disk fails.
    """
    found = served(public, question.path)
    if found is None:
        yield FileBlock(id=question.id, offset=question.offset, code="not_found")
        return
    with found.path.open("rb") as stream:
        size = stream.seek(0, 2)
        for number in range(question.blocks):
            offset = question.offset + number * BLOCK_BYTES
            if number and offset >= size:
                return
            stream.seek(min(offset, size))
            data = base64.b64encode(stream.read(BLOCK_BYTES)).decode("ascii")
            yield FileBlock(id=question.id, offset=offset, size=size, data=data)
