"""What a person at a console can tell the device to do, and the answer to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeGuard

from agent import ipc
from agent.config import AgentConfig
from agent.core import commands as do
from agent.core import events as ev
from agent.core.episode import Episode
from agent.core.hold import LONGEST_S, Hold
from agent.core.records import Now
from agent.core.reports import Voice
from agent.core.resend import RESEND_ARGS, resend_order
from agent.core.selection import CHANNEL_REV, Schedule
from agent.core.update_machine import UpdateMachine
from edge_models.wire.command import Command, Reply
from edge_models.wire.topics import CommandVerb
from edge_models.wire.values import Scalar

CONTEXT_NAME = r"[a-z0-9][a-z0-9_-]{0,31}"  # as edge_models.profile has it, which needs numpy
MAX_REPLIES = 64  # commands expire after 300 s, so a repeated one is never old
Update = Callable[[ev.UpdateEvent, Now], list[do.Action]]
Reports = Callable[[Now], list[do.Action]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a command was not done."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Obeys commands.

    Attributes:
        config: Of the agent.
        machine: For what runs and what is held.
        episode: For the open request.
        voice: Stamps replies.
        schedule: Of looks at the channel.
        hold: When a hold ends by itself.
        update: Gives the update machine an event.
        reports: Where the update stands, as messages.
    """

    config: AgentConfig
    machine: UpdateMachine
    episode: Episode
    voice: Voice
    schedule: Schedule
    hold: Hold
    update: Update
    reports: Reports
    _replies: dict[tuple[CommandVerb, str], Reply] = field(default_factory=dict)

    def obey(self, event: ev.CommandSeen, now: Now) -> list[do.Action]:
        """Do it, and reply; one that was done before, by its id, is only replied to again."""
        topic = f"reply/{event.verb.value}"
        known = None if event.command.id is None else self._replies.get((event.verb, event.command.id))
        if known is not None:
            return [do.Publish(kind=topic, message=known)]
        done = self._do(event.verb, event.command, now)
        refused = done if isinstance(done, Refusal) else None
        reply = Reply(
            ts=self.voice.ts(now),
            up=self.voice.up(now),
            id=event.command.id,
            ok=refused is None,
            code="ok" if refused is None else refused.code,
            message="" if refused is None else refused.message,
        )
        if event.command.id is not None:
            self._replies[event.verb, event.command.id] = reply
            while len(self._replies) > MAX_REPLIES:
                del self._replies[next(iter(self._replies))]
        actions = [] if isinstance(done, Refusal) else done
        return [*actions, do.Publish(kind=topic, message=reply)]

    def _do(self, verb: CommandVerb, command: Command, now: Now) -> list[do.Action] | Refusal:
        active = self.machine.active
        match verb:
            case CommandVerb.CHECK | CommandVerb.INSTALL:
                return self._look(now, forced=verb is CommandVerb.INSTALL)
            case CommandVerb.ROLLBACK:
                return self._roll_back(now)
            case CommandVerb.SNAPSHOT:
                looks = [do.TellWorker(message=ipc.Snapshot())] if self.config.samples.enabled else []
                return [*looks, do.PublishState(), *self.reports(now), *self.episode.report(now, active)]
            case CommandVerb.REBASELINE:
                return self._rebaseline(command.args, now)
            case CommandVerb.DISMISS:
                return self._dismiss(command.args, now)
            case CommandVerb.HOLD:
                return self._hold(command.args.get("on", True), command.args.get("for_s"), now)
            case CommandVerb.UNDO | CommandVerb.RESEND:
                return self._undo() if verb is CommandVerb.UNDO else _resend(command.args)
            case CommandVerb.SAMPLES:
                return self._samples(command.args)

    def _rebaseline(self, args: Mapping[str, Scalar], now: Now) -> list[do.Action] | Refusal:
        name, forget = args.get("as"), args.get("forget", False)
        if name is not None and not _is_name(name):
            return _bad_name(name)
        if not isinstance(forget, bool):
            return Refusal(code="bad_args", message=f"found forget: {forget!r}, expected true or false")
        return self.episode.rebaseline(
            now, self.machine.active, name=None if name is None else str(name), forget=forget
        )

    def _dismiss(self, args: Mapping[str, Scalar], now: Now) -> list[do.Action] | Refusal:
        benign, name, active = args.get("benign"), args.get("as", "benign"), self.machine.active
        if benign is None:
            has_request = self.episode.request is not None
            return self.episode.dismiss(now, active) if has_request else _NO_REQUEST
        if not isinstance(benign, bool):
            return Refusal(code="bad_args", message=f"found benign: {benign!r}, expected true or false")
        if not _is_name(name):
            return _bad_name(name)
        if not benign:
            forgotten = self.episode.forget_benign(str(name), now, active)
            return Refusal(code="unknown_drift", message=f"no drift {name} is kept") if forgotten is None else forgotten
        return self.episode.call_benign(str(name), now, active) if self.episode.policy.can_be_named else _NO_DRIFT

    def _hold(self, held: Scalar, for_s: Scalar, now: Now) -> list[do.Action] | Refusal:
        if not isinstance(held, bool):
            return Refusal(code="bad_args", message=f"found on: {held!r}, expected true or false")
        if for_s is not None and not (_is_number(for_s) and held and 0 < float(for_s) <= LONGEST_S):
            expected = f"expected more than 0 and at most {LONGEST_S:.0f} seconds, with on: true"
            return Refusal(code="bad_args", message=f"found for_s: {for_s!r}, {expected}")
        if not held:
            self.schedule.soon(now.monotonic_s)
            return self.machine.remember(self.hold.end(self.machine.record))
        seconds = None if for_s is None else float(for_s)
        return self.machine.remember(self.hold.begin(self.machine.record, now, for_s=seconds))

    def _undo(self) -> list[do.Action] | Refusal:
        if self.config.adaptation is None:
            return Refusal(code="no_adaptation", message="agent.yaml has no adaptation section, so nothing is learnt")
        return [do.TellWorker(message=ipc.UndoAdaptation())]

    def _samples(self, args: Mapping[str, Scalar]) -> list[do.Action] | Refusal:
        match args.get("do", "deliver"):
            case "wipe":  # also where none are kept now: some may wait from a time when they were
                return [do.TellWorker(message=ipc.WipeSamples()), do.DropSamples()]
            case "deliver" if not self.config.samples.enabled:
                return Refusal(
                    code="no_samples", message="samples.enabled is false in agent.yaml, so no input is kept or sent"
                )
            case "deliver":
                left = self.episode.budget.left
                n = args.get("n", left)
                if not isinstance(n, int) or isinstance(n, bool) or n < 0:
                    return Refusal(code="bad_args", message=f"found n: {n!r}, expected a number of samples")
                if n > 0 and left == 0:
                    return Refusal(code="no_budget", message="today's samples have left already; see budget_per_day")
                return [do.TellWorker(message=ipc.DeliverSamples(n=n))]
            case other:
                return Refusal(code="bad_args", message=f"found do: {other!r}, expected deliver or wipe")

    def _look(self, now: Now, *, forced: bool) -> list[do.Action] | Refusal:
        if self.config.update is None:
            return Refusal(code="no_registry", message="agent.yaml has no update section, so nothing can be fetched")
        self.schedule.soon(now.monotonic_s, delay_s=0.0, forced=forced)
        return []

    def _roll_back(self, now: Now) -> list[do.Action] | Refusal:
        active = self.machine.active
        if active is None or active.previous is None:
            return Refusal(code="nothing_to_roll_back_to", message="no previous bundle is kept on this device")
        return self.update(ev.RollbackAsked(rev=self.machine.record.metadata.get(CHANNEL_REV, 0)), now)


_NO_REQUEST = Refusal(code="no_request", message="no model request is open")
_NO_DRIFT = Refusal(code="no_drift", message="no drift is confirmed whose signals say what it looks like")


def _resend(args: Mapping[str, Scalar]) -> list[do.Action] | Refusal:
    order = resend_order(args)
    return Refusal(code="bad_args", message=RESEND_ARGS) if order is None else [order]


def _is_number(value: Scalar) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_name(name: object) -> bool:
    return isinstance(name, str) and re.fullmatch(CONTEXT_NAME, name) is not None


def _bad_name(name: object) -> Refusal:
    return Refusal(code="bad_args", message=f"found as: {str(name)[:60]!r}, expected 1 to 32 of a-z, 0-9, '_' and '-'")
