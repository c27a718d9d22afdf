"""Between a child that downloads and the broker: its questions for blocks go out, and what answers them comes in.

Used with ``update.over: mqtt`` alone. The child decides what to ask for, waits, asks again and checks all that it gets;
nothing is kept here. A question goes out with the kind of the child before its own id, so that an answer finds its way
back; what answers nobody is dropped. Without a connection a question is lost, as on any network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from agent.process import JobProcess
from edge_models.fields import canonical_json, decode
from edge_models.wire.files import FileBlock, FileGet

SEPARATOR = ":"


class BlockRelay:
    """Passes questions and answers on.

    Args:
        publish: Sends a question to the registry.
    """

    def __init__(self, publish: Callable[[FileGet], None]) -> None:
        self._publish = publish

    def ask(self, kind: str, line: Mapping[str, object]) -> None:
        """Publish what a child asks for.

        Raises:
            FieldError: The line is no question.
        """
        question = decode(FileGet, {key: value for key, value in line.items() if key != "event"})
        self._publish(replace(question, id=f"{kind}{SEPARATOR}{question.id}"))

    def answer(self, block: FileBlock, children: Iterable[tuple[str, JobProcess]]) -> None:
        """Give a block to the child that asked for it."""
        kind, separator, own = block.id.partition(SEPARATOR)
        child = dict(children).get(kind)
        if child is not None and separator:
            child.send(canonical_json(replace(block, id=own)).rstrip())


def is_question(line: Mapping[str, object]) -> bool:
    """Whether a line of a child is for the relay."""
    return line.get("event") == "get"
