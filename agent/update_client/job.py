"""What the supervisor asks of the update client: one JSON document on stdin, of one of these kinds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agent.update_client.errors import JobError
from edge_models.errors import FieldError
from edge_models.fields import decode_json, described
from edge_models.manifest import MODEL_NAME, SHA256

MAX_JOB_BYTES = 64 * 1024
_URL = r"https?://\S+"
_MAX_SECONDS = 7 * 86400


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckJob:
    """Look at a channel: refresh the metadata and report the signed document."""

    op: Literal["check"] = described("Kind of job.")
    state_dir: str = described("The agent's state directory; metadata is kept in tuf/ there.")
    metadata_url: str = described("Where the registry's metadata lies.", pattern=_URL)
    targets_url: str = described("Where its targets lie.", pattern=_URL)
    root: str = described("File with the trusted root metadata.")
    model: str = described("The model slot.", pattern=MODEL_NAME)
    channel: str = described("The channel.", pattern=MODEL_NAME)
    now_floor: float = described("Latest POSIX time this device was sure of; 0 for none.", default=0.0, ge=0)
    max_bytes_per_s: int = described("Bound on the rate; 0 for none.", default=0, ge=0)
    max_bytes_per_day: int = described("Bound on what comes in a day; 0 for none.", default=0, ge=0)
    over: Literal["http", "mqtt"] = described("By HTTP, or in blocks that the supervisor asks for.", default="http")
    timeout_s: float = described("Bound on the whole job.", default=60.0, ge=0.1, le=_MAX_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchJob:
    """Get a bundle: its signed manifest, and the files of one artifact, into bundles/ID."""

    op: Literal["fetch"] = described("Kind of job.")
    state_dir: str = described("The agent's state directory.")
    metadata_url: str = described("Where the registry's metadata lies.", pattern=_URL)
    targets_url: str = described("Where its targets lie.", pattern=_URL)
    root: str = described("File with the trusted root metadata.")
    bundle: str = described("Id of the bundle.", pattern=SHA256)
    model: str | None = described("Refuse a bundle of another model.", default=None, pattern=MODEL_NAME)
    artifact: str | None = described("The artifact to fetch; null chooses one that runs here.", default=None)
    runtimes: tuple[str, ...] | None = described(
        "NAME or NAME==VERSION of each; null looks it up.", default=None, max_length=100
    )
    max_bytes: int = described("Bound on the artifact's files together.", default=512 << 20, ge=0)
    now_floor: float = described("Latest POSIX time this device was sure of; 0 for none.", default=0.0, ge=0)
    max_bytes_per_s: int = described("Bound on the rate; 0 for none.", default=0, ge=0)
    max_bytes_per_day: int = described("Bound on what comes in a day; 0 for none.", default=0, ge=0)
    over: Literal["http", "mqtt"] = described("By HTTP, or in blocks that the supervisor asks for.", default="http")
    timeout_s: float = described("Bound on the whole job.", default=1800.0, ge=0.1, le=_MAX_SECONDS)


Job = CheckJob | FetchJob


@dataclass(frozen=True, slots=True, kw_only=True)
class _Envelope:
    job: CheckJob | FetchJob = described("The job.")


def read_job(data: bytes) -> Job:
    """Parse a job.

    Raises:
        JobError: It is none.
    """
    try:
        return decode_json(_Envelope, b'{"job":' + data.strip() + b"}", max_bytes=MAX_JOB_BYTES).job
    except FieldError as exc:
        raise JobError(f"update job: {exc}") from exc
