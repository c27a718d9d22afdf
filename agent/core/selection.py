"""Which bundle should run here: the signed channel and the hints, weighed by the rule of ``edge_models.channel``.

A look at the channel is asked for at start, at every poll, when a hint changes and on ``cmd/check``; only its result
decides. So a hint alone never starts an update, and without a broker polling still does.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass, replace

from agent.core.records import ActiveRecord, Target, UpdateRecord
from agent.core.update_table import RESTING, State
from edge_models.channel import Channel, choose, effective_hint
from edge_models.manifest import BundleId
from edge_models.wire.results import Outcome
from edge_models.wire.update import Desired, GroupDesired, LastResult, UpdateError
from edge_models.wire.values import unix_time_s

CHANNEL_REV = "channel"  # key of the channel's revision among the versions of the metadata
HINT_WAIT_S = 0.5  # hints come in bursts after a connect: one look for all of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a look at the channel led to.

    Attributes:
        target: Bundle to install; None when there is nothing to do.
        settled: Whether the running bundle is the wanted one.
        refused: Why the hint was not followed.
        latest: The bundle that would run if nothing stood against it.
    """

    target: Target | None = None
    settled: bool = False
    refused: UpdateError | None = None
    latest: BundleId | None = None


def decide(
    channel: Channel,
    device: str,
    record: UpdateRecord,
    active: ActiveRecord | None,
    *,
    forced: bool = False,
    utc_s: float | None = None,
) -> Decision:
    """Weigh channel and hints.

    Args:
        channel: The signed document.
        device: Id of this device.
        record: Holds the hints, the hold and what failed before.
        active: What runs.
        forced: The operator insists (``cmd/install``): a hold and an earlier failure do not count.
        utc_s: The time of day; None while it is not known.
    """
    hint = effective_hint(device, record.own_desired, record.group_desired.values())
    refused = None if hint is None else _too_late(hint, record, active, utc_s)
    if refused is not None:
        hint = None
    choice = choose(channel, device, hint, None if active is None else active.serial)
    if choice.refused is not None:
        refused = UpdateError.of("not_listed", choice.refused)
    if choice.bundle is None:
        return Decision(refused=refused)
    if active is not None and choice.bundle == active.bundle:
        return Decision(settled=True, refused=refused, latest=choice.bundle)
    blocked = record.held or record.is_bad(choice.bundle, channel.rev)
    if blocked and not forced:
        return Decision(refused=refused, latest=choice.bundle)
    followed = hint if hint is not None and hint.bundle == choice.bundle else None
    target = Target(
        bundle=choice.bundle,
        serial=channel.listed.get(choice.bundle),
        rev=channel.rev,
        rollout=None if followed is None else followed.rollout,
        answers=None if followed is None else followed.answers,
    )
    return Decision(target=target, refused=refused, latest=choice.bundle)


def _too_late(
    hint: Desired, record: UpdateRecord, active: ActiveRecord | None, utc_s: float | None
) -> UpdateError | None:
    """Why a hint with a deadline may no longer be started; one that runs, or is under way, has been started."""
    if hint.deadline is None or (active is not None and active.bundle == hint.bundle):
        return None
    if record.phase not in RESTING and record.target is not None and record.target.bundle == hint.bundle:
        return None
    if utc_s is None:
        return UpdateError.of("clock_unknown", f"desired ends at {hint.deadline}, and this device has no time yet")
    if utc_s > unix_time_s(hint.deadline):
        return UpdateError.of("deadline_passed", f"desired was not to be started after {hint.deadline}")
    return None


def with_own_desired(record: UpdateRecord, desired: Desired | None) -> UpdateRecord:
    """The record with a new hint; it is kept, so a restart without a broker does not lose it."""
    return replace(record, own_desired=desired)


def with_group_desired(record: UpdateRecord, group: str, desired: GroupDesired | None) -> UpdateRecord:
    """Likewise for a group."""
    others = {name: hint for name, hint in record.group_desired.items() if name != group}
    return replace(record, group_desired=others if desired is None else {**others, group: desired})


def with_groups(record: UpdateRecord, groups: Collection[str]) -> UpdateRecord:
    """The record without the hints to groups that the device has left: nobody would ever take those back."""
    kept = {name: hint for name, hint in record.group_desired.items() if name in groups}
    return replace(record, group_desired=kept)


def settled_record(record: UpdateRecord, active: ActiveRecord, device: str) -> UpdateRecord:
    """The record of a device that already runs what a new rollout wants: that counts as its result."""
    hint = effective_hint(device, record.own_desired, record.group_desired.values())
    if hint is None or hint.rollout is None or hint.bundle != active.bundle or active.provisional:
        return record
    if record.phase not in (State.IDLE, State.COMMITTED) or (
        record.last_result is not None and record.last_result.rollout == hint.rollout
    ):
        return record
    return replace(
        record,
        last_result=LastResult(
            bundle=active.bundle,
            outcome=State.COMMITTED,
            rollout=hint.rollout,
            attempt=0,
            result=Outcome.ALREADY_INSTALLED,
        ),
    )


class Schedule:
    """When to look at the channel next.

    Args:
        poll_s: Seconds between looks.
        rng: Spreads a fleet's polls.
    """

    def __init__(self, *, poll_s: float, rng: random.Random, now_s: float) -> None:
        self._poll_s = poll_s
        self._rng = rng
        self._running = False
        self._again = False
        self._forced = False
        self._next_s = now_s

    @property
    def next_s(self) -> float | None:
        """When a look is due; None while one is running."""
        return None if self._running else self._next_s

    def soon(self, now_s: float, *, delay_s: float = HINT_WAIT_S, forced: bool = False) -> None:
        """Ask for a look shortly; while one is running, for another one after it."""
        self._again = self._running
        self._forced = self._forced or forced
        self._next_s = min(self._next_s, now_s + delay_s)

    def is_due(self, now_s: float) -> bool:
        """Whether to look now; the caller then does, and calls ``done`` at its end."""
        if self._running or now_s < self._next_s:  # done() sets the next time
            return False
        self._running = True
        self._again = False
        return True

    def done(self, now_s: float) -> bool:
        """A look ended, well or not; the answer says whether the operator had insisted on it."""
        self._running = False
        wait_s = HINT_WAIT_S if self._again else self._poll_s * self._rng.uniform(0.9, 1.1)
        self._next_s = now_s + wait_s
        forced, self._forced = self._forced and not self._again, self._forced and self._again
        return forced
