"""What is told to a device at once, and what it answers. Which models it runs is in ``update``."""

from __future__ import annotations

from dataclasses import dataclass

from edge_models.fields import described
from edge_models.wire.values import (
    CODE,
    Scalar,
    Timestamp,
    check_times,
    count_field,
    id_field,
    received_field,
    sent_field,
    text_field,
    up_field,
    version_field,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command; the verb is the last level of the topic. ``{}`` is a whole command: buttons send it."""

    v: int = version_field()
    ts: Timestamp | None = received_field()
    id: str | None = id_field("A command with the same id is done once; without an id, each time.", default=None)
    args: dict[str, Scalar] = described("Its arguments.", default_factory=dict, max_length=16)

    def __post_init__(self) -> None:
        """Refuse a time that is none."""
        check_times(self.ts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What became of a command."""

    v: int = version_field()
    ts: Timestamp | None = sent_field()
    up: float = up_field()
    id: str | None = id_field("The command's id, if it had one.", default=None)
    ok: bool = described("Whether it was done.")
    code: str = described("Why not, for programs; ok when it was done.", default="ok", pattern=CODE)
    message: str = text_field("The same for people.", default="", max_length=500)

    def __post_init__(self) -> None:
        """Refuse a time that is none."""
        check_times(self.ts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """The true label of a prediction, when somebody knows it."""

    v: int = version_field()
    ts: Timestamp | None = received_field()
    id: str = id_field("BOOT-SEQ of the prediction.")
    label: int = count_field("True class index.")

    def __post_init__(self) -> None:
        """Refuse a time that is none."""
        check_times(self.ts)
