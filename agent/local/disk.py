"""What the state directory tells without an agent: records are read, and nothing is mended or put aside."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from agent.core.episode_record import EPISODE_FILE, EpisodeRecord
from agent.core.records import ACTIVE_FILE, MAX_RECORD_BYTES, UPDATE_FILE, ActiveRecord, UpdateRecord
from agent.local.errors import LocalError
from agent.local.messages import WhyReport
from edge_models.errors import FieldError
from edge_models.fields import decode_json

R = TypeVar("R")


def read_record(path: Path, kind: type[R]) -> R | None:
    """A record, or None where there is none.

    Raises:
        LocalError: This user may not read it, or it is damaged.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_RECORD_BYTES + 1)
        return decode_json(kind, data, max_bytes=MAX_RECORD_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:
        raise LocalError(f"{path}: {exc.strerror}, expected a file that this user may read; use sudo") from exc
    except FieldError as exc:
        raise LocalError(f"{path}: {exc}; the agent puts a damaged record aside when it starts") from exc


def why_on_disk(state_dir: Path, device: str) -> WhyReport:
    """What was decided, as far as it was stored.

    Raises:
        LocalError: A record cannot be read.
    """
    episode = read_record(state_dir / EPISODE_FILE, EpisodeRecord)
    update = read_record(state_dir / UPDATE_FILE, UpdateRecord)
    return WhyReport(
        id=device,
        active=read_record(state_dir / ACTIVE_FILE, ActiveRecord),
        update=update,
        error=None if update is None else update.error,
        drift=None if episode is None else episode.state,
        episode=episode,
    )
