"""Why a check or a download failed; each class has the code that ``model/state`` shows.

    UpdateError (agent.errors)
    `-- ClientError
        |-- JobError             job           the supervisor's job cannot be read
        |-- ServerError          network       no answer, a broken one, or 5xx; trying again may help
        |   |-- DeadlineError    deadline      the job's time is up; what was downloaded is kept
        |   `-- BudgetError      budget        the day's bytes are used up; what was downloaded is kept
        |-- RefusedError         http          the server says 4xx; trying again does not help
        |-- TrustError           signature     metadata is not signed by whom this device trusts
        |   |-- RollbackError    rollback      metadata is older than what this device has seen
        |   `-- ExpiredError     expired       metadata is too old: a freeze attack, or nobody renewed it
        |-- NotPublishedError    not_published the signed lists do not hold the target
        |-- ContentError         content       bytes differ from what was signed
        |-- UnfitError           unfit         the bundle is not for this device
        |-- TooLargeError        too_large     the bundle is larger than the configuration allows
        `-- NoSpaceError         no_space      the disk is full

A StorageError of the agent becomes ``storage``, or ``no_space`` when the disk is full.
"""

from __future__ import annotations

from typing import ClassVar

from agent.errors import UpdateError


class ClientError(UpdateError):
    """Base of what the update client reports; a subclass says who can help."""

    CODE: ClassVar[str]
    IS_TRANSIENT: ClassVar[bool] = False  # whether the same job may succeed later without anybody's help

    def __init__(self, message: str) -> None:
        """Take the code from the class."""
        super().__init__(self.CODE, message)


class JobError(ClientError):
    """The job is malformed; only a developer can fix it."""

    CODE = "job"


class ServerError(ClientError):
    """The registry did not answer, or stopped in the middle; wait, or look at network and server.

    Attributes:
        retry_after_s: How long to wait at least, as the server asked for; None if it did not.
    """

    CODE = "network"
    IS_TRANSIENT = True

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        """Keep the server's wish beside the sentence."""
        super().__init__(message)
        self.retry_after_s = retry_after_s


class DeadlineError(ServerError):
    """The job's time is up; the next job goes on where this one stopped."""

    CODE = "deadline"


class BudgetError(ServerError):
    """``update.max_bytes_per_day`` is used up; the download goes on the next day, or raise it."""

    CODE = "budget"


class RefusedError(ClientError):
    """The registry does not have the file, or does not give it; look at ``update.url`` and the registry."""

    CODE = "http"


class TrustError(ClientError):
    """Metadata does not carry the signatures that this device trusts; look for an attack, or a wrong root.json."""

    CODE = "signature"


class RollbackError(TrustError):
    """The registry offers older metadata than this device has seen; look for an attack, or a restored backup."""

    CODE = "rollback"


class ExpiredError(TrustError):
    """Metadata has expired; run ``driftline-fleet registry renew``, look at the device's clock, or for an attack."""

    CODE = "expired"


class NotPublishedError(ClientError):
    """No signed list holds the target; publish the bundle, or set the channel."""

    CODE = "not_published"


class ContentError(ClientError):
    """Bytes are not what was signed; look at proxies and the registry's disk."""

    CODE = "content"


class UnfitError(ClientError):
    """The bundle cannot run here; build one for this model and runtime."""

    CODE = "unfit"


class TooLargeError(ClientError):
    """The bundle is larger than ``update.max_bundle_bytes``; raise it or build a smaller one."""

    CODE = "too_large"


class NoSpaceError(ClientError):
    """The disk is full; the operator can free space."""

    CODE = "no_space"
