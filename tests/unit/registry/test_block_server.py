"""The registry through the broker: what it answers, to whom, and what it never gives away."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from deploy.link import Delivery
from deploy.registry.block_server import MAX_BATCH, MAX_OF_A_DEVICE, BlockServer, blocks
from edge_models.wire import Topics, decode_message, encode_message
from edge_models.wire.files import BLOCK_BYTES, FileBlock, FileGet

TOPICS = Topics("driftline")
BLOB = "targets/blobs/" + "a" * 64
CONTENT = bytes(range(256)) * 200  # 51,200 bytes: three blocks and a bit


class FakeClock:
    def __init__(self) -> None:
        self.slept_s = 0.0

    def unix_s(self) -> float:
        return 0.0

    def monotonic_s(self) -> float:
        return 0.0

    def sleep(self, duration_s: float) -> None:
        self.slept_s += duration_s


class FakeWire:
    """Hands over a batch, and remembers what is sent."""

    def __init__(self) -> None:
        self.batch: list[Delivery] = []
        self.sent: list[tuple[str, FileBlock]] = []

    def say(self, topic: str, payload: bytes, *, retained: bool = False) -> None:
        self.batch.append(Delivery(topic=topic, payload=payload, retained=retained, qos=0, mid=0, client=None))

    def ask(self, device: str, question: FileGet, *, retained: bool = False) -> None:
        self.say(TOPICS.file_get(device), encode_message(question), retained=retained)

    def receive(self, timeout_s: float, *, most: int) -> list[Delivery]:
        batch, self.batch = self.batch[:most], self.batch[most:]
        return batch

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool, expiry_s: int | None = None) -> None:
        assert (qos, retain) == (0, False)
        self.sent.append((topic, decode_message(FileBlock, payload)))


@pytest.fixture
def public(tmp_path: Path) -> Path:
    folder = tmp_path / "public"
    (folder / "targets/blobs").mkdir(parents=True)
    (folder / "metadata").mkdir()
    (folder / BLOB).write_bytes(CONTENT)
    (folder / "metadata/timestamp.json").write_bytes(b"{}")
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/root.pem").write_bytes(b"secret")
    return folder


def test_file_comes_in_blocks_up_to_its_end(public: Path) -> None:
    found = list(blocks(public, FileGet(id="q", path=BLOB, offset=BLOCK_BYTES, blocks=4)))

    assert [block.offset for block in found] == [BLOCK_BYTES, 2 * BLOCK_BYTES, 3 * BLOCK_BYTES]
    assert b"".join(base64.b64decode(block.data) for block in found) == CONTENT[BLOCK_BYTES:]
    assert {block.size for block in found} == {len(CONTENT)}
    assert all(len(encode_message(block)) < 32 * 1024 for block in found)


@pytest.mark.parametrize("offset", [len(CONTENT), len(CONTENT) + 1, 1 << 50])
def test_question_behind_the_end_tells_the_size(public: Path, offset: int) -> None:
    (block,) = blocks(public, FileGet(id="q", path=BLOB, offset=offset, blocks=4))

    assert (block.size, block.data, block.code) == (len(CONTENT), "", "ok")


@pytest.mark.parametrize(
    "path",
    [
        "targets/blobs/" + "b" * 64,
        "keys/root.pem",
        "metadata/root.pem",
        "metadata/0.root.json",
        "metadata",
        "targets/blobs",
        BLOB + "/x",
        "metadata/timestamp.json/",
    ],
)
def test_what_a_registry_does_not_serve_is_not_found(public: Path, path: str) -> None:
    (block,) = blocks(public, FileGet(id="q", path=path))

    assert (block.code, block.size, block.data) == ("not_found", None, "")


@pytest.mark.parametrize("path", ["../keys/root.pem", "metadata/../../keys/root.pem", "/etc/passwd", "a//../../b"])
def test_path_that_leads_outside_is_no_question(public: Path, path: str) -> None:
    wire = FakeWire()
    server = BlockServer(public, wire, TOPICS, FakeClock())
    wire.say(TOPICS.file_get("pi-1"), b'{"id":"q","path":"%s"}' % path.encode())

    server.step()

    assert (server.refused, wire.sent) == (1, [])


def test_link_under_a_served_name_leads_nowhere(public: Path) -> None:
    name = "targets/blobs/" + "c" * 64
    (public / name).symlink_to(public.parent / "keys/root.pem")

    (block,) = blocks(public, FileGet(id="q", path=name))

    assert block.code == "not_found"


def test_answer_goes_to_the_device_that_asked_and_at_a_rate(public: Path) -> None:
    wire, clock = FakeWire(), FakeClock()
    server = BlockServer(public, wire, TOPICS, clock, bytes_per_s=1000)
    wire.ask("pi-1", FileGet(id="q", path=BLOB, blocks=2))

    server.step()

    assert [topic for topic, _ in wire.sent] == ["driftline/pi-1/file/block"] * 2
    assert clock.slept_s > 2 * BLOCK_BYTES / 1000


def test_question_that_was_asked_twice_is_answered_once(public: Path) -> None:
    wire = FakeWire()
    server = BlockServer(public, wire, TOPICS, FakeClock())
    for _ in range(3):
        wire.ask("pi-1", FileGet(id="q", path=BLOB))

    server.step()

    assert len(wire.sent) == 1


def test_device_that_asks_for_everything_leaves_the_others_their_share(public: Path) -> None:
    wire = FakeWire()
    server = BlockServer(public, wire, TOPICS, FakeClock())
    for number in range(20):
        wire.ask("greedy", FileGet(id=f"q{number}", path=BLOB))
    wire.ask("pi-1", FileGet(id="q", path=BLOB))

    server.step()

    assert [topic.split("/")[1] for topic, _ in wire.sent] == ["greedy"] * MAX_OF_A_DEVICE + ["pi-1"]


def test_crowd_is_told_that_the_registry_is_busy(public: Path) -> None:
    wire = FakeWire()
    server = BlockServer(public, wire, TOPICS, FakeClock())
    for number in range(MAX_BATCH):
        wire.ask(f"pi-{number}", FileGet(id="q", path=BLOB))

    server.step()

    codes = [block.code for _, block in wire.sent]
    assert codes == ["ok"] * (MAX_BATCH // 2) + ["busy"] * (MAX_BATCH // 2)


def test_nonsense_is_counted_and_not_answered(public: Path) -> None:
    wire = FakeWire()
    server = BlockServer(public, wire, TOPICS, FakeClock())
    wire.say(TOPICS.file_get("pi-1"), b"\xff")
    wire.say(TOPICS.file_get("pi-1"), b" " * 5000)
    wire.say(TOPICS.status("pi-1"), encode_message(FileGet(id="q", path=BLOB)))
    wire.say("somewhere/else", b"{}")
    wire.ask("pi-1", FileGet(id="q", path=BLOB), retained=True)

    server.step()

    assert (server.refused, wire.sent) == (5, [])
