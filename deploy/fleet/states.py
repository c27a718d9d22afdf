"""The closed sets of states that rows of the fleet database can be in."""

from __future__ import annotations

from enum import StrEnum


class RequestState(StrEnum):
    """What has become of a device's request for a better model."""

    OPEN = "open"
    ANSWERED = "answered"  # a bundle is being rolled out to the device in its name
    REFUSED = "refused"  # the job found no better bundle, or failed
    WITHDRAWN = "withdrawn"  # the device closed it before it was answered
    CLOSED = "closed"  # the device closed it after it was answered


class JobState(StrEnum):
    """How far a retraining job has come."""

    SETTLING = "settling"  # more requests may join before the worker is told
    READY = "ready"
    RUNNING = "running"
    ROLLING_OUT = "rolling_out"
    DONE = "done"
    ROLLED_BACK = "rolled_back"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"  # every request was withdrawn


ACTIVE_JOB_STATES = frozenset({JobState.SETTLING, JobState.READY, JobState.RUNNING, JobState.ROLLING_OUT})


class RolloutState(StrEnum):
    """How far a rollout has come."""

    PENDING = "pending"  # written by the command line, not yet seen by the controller
    CANARY = "canary"
    REST = "rest"
    ROLLING_BACK = "rolling_back"
    COMMITTED = "committed"
    ROLLED_BACK = "rolled_back"
    INCOMPLETE = "incomplete"  # all that answered have committed, but some devices have been silent for too long
    REFUSED = "refused"  # could not be started


FINAL_ROLLOUT_STATES = frozenset(
    {RolloutState.COMMITTED, RolloutState.ROLLED_BACK, RolloutState.INCOMPLETE, RolloutState.REFUSED}
)


class DeviceOutcome(StrEnum):
    """Where one device stands in a rollout."""

    WAITING = "waiting"  # its wave has not begun
    UPDATING = "updating"
    COMMITTED = "committed"
    ROLLED_BACK = "rolled_back"
    REJECTED = "rejected"
    FAILED = "failed"
    MISSING = "missing"  # silent for longer than its wave may take
    BACK = "back"  # runs the base bundle again after the rollout was aborted
