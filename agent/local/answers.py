"""What the running agent answers on its local socket; commands go the same way as those of the topic ``cmd/VERB``."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import assert_never

from agent.core import commands as do
from agent.core import events as ev
from agent.core.records import Now
from agent.hands import Hands
from agent.local.messages import Answer, Request, StatusReport, WhyReport
from edge_models.wire.command import Command, Reply
from edge_models.wire.topics import CommandVerb
from edge_models.wire.update import ModelState
from edge_models.wire.values import Scalar

REPLY = "reply/"


class Answers:
    """Answers requests.

    Args:
        hands: What the agent is made of.
        utc_s: Gives the time for people, or None.
        is_connected: Tells whether the broker is.
        problem: Why it is not, as far as known.
    """

    def __init__(
        self,
        hands: Hands,
        *,
        utc_s: Callable[[], float | None],
        is_connected: Callable[[], bool],
        problem: Callable[[], str] = str,
    ) -> None:
        self._hands = hands
        self._utc_s = utc_s
        self._is_connected = is_connected
        self._problem = problem

    def __call__(self, request: Request, now_s: float) -> tuple[Answer, list[ev.Event]]:
        """The answer, and what happened at once because of it."""
        now = Now(monotonic_s=now_s, utc_s=self._utc_s())
        match request.do:
            case "status":
                return Answer(ok=True, status=self._status(now)), []
            case "why":
                return Answer(ok=True, why=self._why(now)), []
            case "command" if request.verb is None:
                return Answer(ok=False, code="bad_request", message="found no verb, expected a command's"), []
            case "command":
                return self._obey(request.verb, request.args, now)
            case _:
                assert_never(request.do)

    def _status(self, now: Now) -> StatusReport:
        hands = self._hands
        looks = hands.config.update is not None
        return StatusReport(
            id=hands.config.id,
            agent=hands.about.agent,
            model=hands.config.model,
            pid=os.getpid(),
            broker=f"{hands.config.mqtt.host}:{hands.config.mqtt.port}",
            connected=self._is_connected(),
            broker_problem=self._problem()[:500],
            state=hands.state(now, 0),
            update=self._model_state(now),
            hold_left_s=_left_s(hands.core.hold.end_s, now),
            next_look_s=_left_s(hands.core.schedule.next_s, now) if looks else None,
        )

    def _model_state(self, now: Now) -> ModelState:
        orders = self._hands.core.model_reports(now)
        messages = (order.message for order in orders if isinstance(order, do.Publish))
        return next(message for message in messages if isinstance(message, ModelState))

    def _why(self, now: Now) -> WhyReport:
        core = self._hands.core
        return WhyReport(
            id=self._hands.config.id,
            active=core.active,
            update=core.machine.record,
            error=self._model_state(now).error,
            drift=core.episode.policy.state,
            episode=core.episode.history.record,
        )

    def _obey(self, verb: CommandVerb, args: dict[str, Scalar], now: Now) -> tuple[Answer, list[ev.Event]]:
        """The reply goes to who asked, and not to the broker."""
        actions = self._hands.core.handle(ev.CommandSeen(verb=verb, command=Command(args=args)), now)
        replies = [
            action.message for action in actions if isinstance(action, do.Publish) and isinstance(action.message, Reply)
        ]
        kept = [action for action in actions if not (isinstance(action, do.Publish) and action.kind.startswith(REPLY))]
        events = self._hands.carry_out(kept, now)
        if not replies:
            return Answer(ok=False, code="no_reply", message="the agent did not say what became of it"), events
        return Answer(ok=replies[0].ok, code=replies[0].code, message=replies[0].message), events


def _left_s(end_s: float | None, now: Now) -> float | None:
    return None if end_s is None else max(0.0, end_s - now.monotonic_s)
