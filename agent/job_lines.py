"""What the short-lived children say, line by line, and what it means to the core."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from agent.core import events as ev
from edge_models.channel import Channel
from edge_models.fields import decode, described
from edge_models.manifest import BundleId

log = logging.getLogger(__name__)

Kind = Literal["check", "fetch", "verify"]
KINDS: tuple[Kind, ...] = ("check", "fetch", "verify")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Versions:
    metadata_versions: dict[str, int] = described("Versions of the signed metadata.", default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What the supervisor has to know of any result, for its own sake."""

    fresh_until: float | None = described("When the newest accepted metadata expire.", default=None, ge=0)
    retry_after: float = described("How long not to ask again.", default=0.0, ge=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Progress:
    bytes: int = described("Bytes here.", default=0, ge=0)
    total: int = described("Bytes in all.", ge=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verified:
    model: str = described("Model slot.")
    version: str = described("Version.")
    serial: int = described("Serial.", ge=1)
    artifact: str = described("Artifact.")
    answers: tuple[str, ...] = described("Requests answered.", default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Error:
    code: str = described("What failed.", pattern=r"[a-z0-9_]{1,40}")
    message: str = described("The same for people.")
    transient: bool = described("Whether it may pass.", default=False)


def events_of(kind: Kind, line: Mapping[str, object], fetching: BundleId) -> list[ev.Event]:
    """The events that a line is.

    Args:
        kind: Of the child.
        line: What it said.
        fetching: The bundle that is fetched at present.

    Raises:
        FieldError: The line is nonsense.
    """
    match kind, line.get("event"):
        case _, "error":
            error = decode(_Error, line)
            log.warning("job failed kind=%s code=%s message=%s", kind, error.code, error.message)
            return [
                failure(
                    kind,
                    fetching,
                    error.code,
                    error.message,
                    transient=error.transient,
                    retry_after_s=decode(Advice, line).retry_after,
                )
            ]
        case "check", "channel":
            versions = decode(_Versions, line).metadata_versions
            return [ev.ChannelSeen(channel=decode(Channel, line), metadata=versions)]
        case "fetch", "manifest" | "progress":
            progress = decode(_Progress, line)
            return [ev.FetchProgress(bundle=fetching, bytes=progress.bytes, total=progress.total)]
        case "fetch", "done":
            return [ev.FetchDone(bundle=fetching)]
        case "verify", "verified":
            found = decode(_Verified, line)
            return [
                ev.TargetVerified(
                    model=found.model,
                    version=found.version,
                    serial=found.serial,
                    artifact=found.artifact,
                    answers=found.answers,
                )
            ]
        case _:
            return []


def advice_of(line: Mapping[str, object]) -> Advice:
    """What a result says beside its meaning to the core.

    Raises:
        FieldError: The line is nonsense.
    """
    return decode(Advice, line)


def failure(
    kind: Kind, fetching: BundleId, code: str, message: str, *, transient: bool, retry_after_s: float = 0.0
) -> ev.Event:
    """The event that a child of this kind did not do what it was for."""
    match kind:
        case "check":
            return ev.CheckFailed(code=code, message=message, transient=transient)
        case "fetch":
            return ev.FetchFailed(
                bundle=fetching, code=code, message=message, transient=transient, retry_after_s=retry_after_s
            )
        case "verify":
            return ev.TargetBad(code=code, message=message, transient=transient)


def is_end(event: ev.Event) -> bool:
    """Whether nothing more is to come of the child."""
    return not isinstance(event, ev.FetchProgress)
