"""Files in blocks: whatever becomes of the blocks on their way, what comes out is the file, or an error."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.update_client.blocks import ASK_AGAIN_S, BUSY_WAIT_S, TRIES, BlockTransport, PipeQuestions
from agent.update_client.errors import RefusedError, ServerError
from edge_models.fields import canonical_json
from edge_models.wire.files import BLOCK_BYTES, MAX_BLOCKS, FileBlock, FileGet
from tests.unit.update_client.fakes import BASE
from tests.unit.update_client.lines import Line

DIGEST = "a" * 64
PATH = f"/targets/blobs/{DIGEST}"


def transport(line: Line) -> BlockTransport:
    return BlockTransport(line, line.time, base_url=BASE, new_id=(f"r{number}" for number in count()).__next__)


def body(line: Line, *, start: int = 0, timeout_s: float = 600.0) -> bytes:
    headers = {"range": f"bytes={start}-"} if start else {}
    with transport(line).get(BASE + PATH, headers, timeout_s=timeout_s) as reply:
        return b"".join(reply.chunks)


def nothing(_: str) -> bytes | None:
    return None


def content(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@given(
    size=st.one_of(st.integers(0, 3 * BLOCK_BYTES), st.sampled_from([BLOCK_BYTES * n for n in range(1, 9)])),
    start=st.integers(0, 3 * BLOCK_BYTES),
    loss=st.sampled_from([0.0, 0.1, 0.3]),
    repeats=st.sampled_from([0.0, 0.5]),
    shuffles=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_lost_repeated_and_reordered_blocks_make_a_file_or_an_error(
    size: int, start: int, loss: float, repeats: float, shuffles: bool, seed: int
) -> None:
    whole = content(size)
    line = Line({PATH: whole}.get, rng=random.Random(seed), loss=loss, repeats=repeats, shuffles=shuffles)

    try:
        found = body(line, start=start)
    except ServerError:
        assert loss > 0
    else:
        assert found == whole[start:]
    assert all(question.blocks <= MAX_BLOCKS for question in line.questions)


def test_window_is_never_exceeded_and_no_byte_is_asked_for_twice() -> None:
    line = Line({PATH: content(20 * BLOCK_BYTES)}.get)

    assert body(line) == content(20 * BLOCK_BYTES)

    asked = [question.offset + number * BLOCK_BYTES for question in line.questions for number in range(question.blocks)]
    assert line.most_on_way <= MAX_BLOCKS
    assert sorted(set(asked)) == asked
    assert line.time.waits == []


def test_silence_is_asked_into_again_and_ends() -> None:
    line = Line({PATH: content(10)}.get, is_dead=True)

    with pytest.raises(ServerError, match="no answer"):
        body(line)

    assert len(line.questions) == 1 + TRIES
    assert sum(line.time.waits) == pytest.approx(TRIES * ASK_AGAIN_S)


def test_end_of_the_job_ends_the_waiting() -> None:
    line = Line({PATH: content(10)}.get, is_dead=True)

    with pytest.raises(ServerError):
        body(line, timeout_s=7.0)

    assert sum(line.time.waits) == pytest.approx(7.0)


class Scripted:
    """Answers with what a hostile broker likes."""

    def __init__(self, line: Line, *blocks: FileBlock) -> None:
        self._line = line
        self._blocks = list(blocks)
        self.time = line.time

    def ask(self, question: FileGet) -> None:
        self._line.ask(question)

    def answer(self, timeout_s: float) -> FileBlock | None:
        return self._blocks.pop(0) if self._blocks else self._line.answer(timeout_s)


def hostile_blocks() -> Iterator[FileBlock]:
    yield FileBlock(id="other", offset=0, size=10, data="AAAA")
    yield FileBlock(id="r0", offset=0, size=10, data="not base64")
    yield FileBlock(id="r0", offset=3, size=10, data="AAAA")
    yield FileBlock(id="r0", offset=0, size=10, data="A" * 24576)
    yield FileBlock(id="r0", offset=5, size=10, data="")
    yield FileBlock(id="r0", offset=1 << 50, size=10, data="AAAA")


def test_blocks_that_nobody_asked_for_change_nothing() -> None:
    line = Scripted(Line({PATH: content(10)}.get), *hostile_blocks())
    transport = BlockTransport(line, line.time, base_url=BASE, new_id=lambda: "r0")

    with transport.get(BASE + PATH, {}, timeout_s=60.0) as reply:
        assert b"".join(reply.chunks) == content(10)


def test_file_that_changes_its_size_is_broken_off() -> None:
    line = Scripted(
        Line({PATH: content(2 * BLOCK_BYTES)}.get, end_after=BLOCK_BYTES),
        FileBlock(id="r0", offset=0, size=2 * BLOCK_BYTES, data="AAAA"),
        FileBlock(id="r0", offset=BLOCK_BYTES, size=BLOCK_BYTES + 1, data="AAAA"),
    )
    transport = BlockTransport(line, line.time, base_url=BASE, new_id=lambda: "r0")

    with (
        pytest.raises(ServerError, match="was replaced"),
        transport.get(BASE + PATH, {}, timeout_s=60.0) as reply,
    ):
        b"".join(reply.chunks)


def test_busy_registry_is_left_alone_for_a_while() -> None:
    line = Scripted(Line(nothing), FileBlock(id="r0", code="busy"))
    transport = BlockTransport(line, line.time, base_url=BASE, new_id=lambda: "r0")

    with pytest.raises(ServerError) as caught, transport.get(BASE + PATH, {}, timeout_s=60.0):
        pass

    assert caught.value.retry_after_s == BUSY_WAIT_S


@pytest.mark.parametrize("url", ["http://elsewhere/x", BASE + "/targets/../keys/root.pem", BASE + "/", BASE + "/a b"])
def test_url_that_is_no_name_of_a_file_is_refused_here(url: str) -> None:
    line = Line(nothing)

    with pytest.raises(RefusedError), transport(line).get(url, {}, timeout_s=60.0):
        pass

    assert line.questions == []


def test_pipe_gives_lines_and_survives_nonsense_and_its_end() -> None:
    ours, theirs = os.pipe()
    asked: list[FileGet] = []
    pipe = PipeQuestions(asked.append, ours)
    block = FileBlock(id="r0", offset=0, size=3, data="AAAA")
    line = canonical_json(block).rstrip()

    os.write(theirs, line[:10])
    assert pipe.answer(0.0) is None
    os.write(theirs, line[10:] + b"\n" + b"{nonsense\n" + json.dumps({"id": "r0"}).encode() + b"\n")
    os.close(theirs)

    assert pipe.answer(0.0) == block
    assert pipe.answer(0.0) is None
    assert pipe.answer(0.0) == FileBlock(id="r0")
    assert pipe.answer(0.0) is None
    assert pipe.answer(0.0) is None
    os.close(ours)
