"""A line to a registry that loses, repeats and reorders blocks, with a server of blocks at its other end."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from edge_models.wire.files import BLOCK_BYTES, FileBlock, FileGet
from tests.unit.update_client.fakes import FakeTime


@dataclass
class Line:
    """Questions in memory.

    Attributes:
        files: Looked up at every question.
        time: Moves while somebody waits.
        rng: Decides on every block's fate.
        loss: Share of blocks and of questions that are lost.
        repeats: Share of blocks that come twice.
        shuffles: Whether blocks overtake each other.
        end_after: Nothing comes beyond so many bytes of a file; 0 garbles what comes.
        is_dead: Nothing comes at all.
    """

    files: Callable[[str], bytes | None]
    time: FakeTime = field(default_factory=FakeTime)
    rng: random.Random = field(default_factory=lambda: random.Random(1))
    loss: float = 0.0
    repeats: float = 0.0
    shuffles: bool = False
    end_after: int | None = None
    is_dead: bool = False
    questions: list[FileGet] = field(default_factory=list)
    on_way: list[FileBlock] = field(default_factory=list)
    most_on_way: int = 0

    def ask(self, question: FileGet) -> None:
        self.questions.append(question)
        if self.is_dead or self.rng.random() < self.loss:
            return
        for block in self._blocks(question):
            if self.rng.random() >= self.loss:
                self.on_way += [block] * (2 if self.rng.random() < self.repeats else 1)
        self.most_on_way = max(self.most_on_way, len(self.on_way))

    def answer(self, timeout_s: float) -> FileBlock | None:
        if not self.on_way:
            self.time.sleep(timeout_s)
            return None
        return self.on_way.pop(self.rng.randrange(len(self.on_way)) if self.shuffles else 0)

    def _blocks(self, question: FileGet) -> list[FileBlock]:
        content = self.files("/" + question.path)
        if content is None:
            return [FileBlock(id=question.id, offset=question.offset, code="not_found")]
        if self.end_after == 0:
            return [FileBlock(id=question.id, offset=question.offset, size=len(content), data="!!")]
        found: list[FileBlock] = []
        for number in range(question.blocks):
            offset = question.offset + number * BLOCK_BYTES
            end = min(offset + BLOCK_BYTES, len(content) if self.end_after is None else self.end_after)
            data = content[offset:end]
            if (not data and offset < len(content)) or (number and offset >= len(content)):
                break
            text = base64.b64encode(data).decode()
            found.append(FileBlock(id=question.id, offset=offset, size=len(content), data=text))
        return found
