"""What goes over the local socket: one line of JSON each way, and then the connection ends.

The commands are those of the topic ``cmd/VERB``; who may connect is decided by the permissions of the socket's file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agent.core.episode_record import EpisodeRecord
from agent.core.records import ActiveRecord, UpdateRecord
from edge_models.fields import described
from edge_models.wire.telemetry import DriftState, State
from edge_models.wire.topics import CommandVerb
from edge_models.wire.update import ModelState, UpdateError
from edge_models.wire.values import CODE, Scalar

SOCKET_NAME = "agent.sock"
MAX_REQUEST_BYTES = 4096
MAX_ANSWER_BYTES = 1 << 20  # update.json and episode.json may have 256 KB each


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What somebody on the device wants."""

    v: int = described("Version of the protocol.", default=1, ge=1, le=1)
    do: Literal["status", "why", "command"] = described("What is wanted.")
    verb: CommandVerb | None = described("The command.", default=None)
    args: dict[str, Scalar] = described("Its arguments.", default_factory=dict, max_length=16)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """How the agent is doing."""

    id: str = described("Id of the device.")
    agent: str = described("Version of the agent.", default="")
    model: str = described("The model slot.", default="")
    pid: int = described("Process id of the supervisor.", ge=0)
    broker: str = described("Host and port of the broker.", default="")
    connected: bool = described("Whether it is connected.", default=False)
    broker_problem: str = described("Why not, in the words of the last attempt.", default="", max_length=500)
    state: State = described("As the topic state has it.")
    update: ModelState = described("As the topic model/state has it.")
    hold_left_s: float | None = described("Seconds until a hold ends by itself.", default=None, ge=0)
    next_look_s: float | None = described("Seconds until the next look at the channel.", default=None, ge=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyReport:
    """What was decided, and on what evidence."""

    id: str = described("Id of the device.", default="")
    active: ActiveRecord | None = described("What runs.", default=None)
    update: UpdateRecord | None = described("Where updates stand, with the last decisions.", default=None)
    error: UpdateError | None = described("What keeps updates from going on now.", default=None)
    drift: DriftState | None = described("How far the present episode of drift has come.", default=None)
    episode: EpisodeRecord | None = described("The last episode of drift.", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of a request."""

    v: int = described("Version of the protocol.", default=1, ge=1, le=1)
    ok: bool = described("Whether it was done.")
    code: str = described("Why not, for programs.", default="ok", pattern=CODE)
    message: str = described("The same for people.", default="", max_length=2000)
    status: StatusReport | None = described("Answer to status.", default=None)
    why: WhyReport | None = described("Answer to why.", default=None)
