"""What the update client tells the supervisor: one JSON object on a line of stdout for each event.

{"event":"channel", ...fields of Channel, "metadata_versions":{"root":1,"timestamp":7,...}, "fresh_until":1.8e9}
                                                                                                check, the end
{"event":"manifest","artifact":"tflite-int8","total":31245}                                     fetch
{"event":"progress","bytes":8192,"total":31245}                 at most four in a second, and one at the end
{"event":"done","bundle":"..","artifact":"..","directory":"/..","downloaded":30211,"reused":1034}   the end
{"event":"error","code":"signature","message":"..","transient":false, "retry_after":60.0}       the end
{"event":"get", ...fields of FileGet}                           where files come through the broker; the supervisor's

``fresh_until``, in errors too where it is known, is when the newest metadata that the device has accepted expire.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

from agent.ports import Clock
from edge_models.channel import Channel
from edge_models.fields import JsonValue, encode
from edge_models.wire.files import FileGet

_PROGRESS_PERIOD_S = 0.25


class Report:
    """Writes events.

    Args:
        write: Takes one line with its newline, and passes it on at once.
        clock: For the rate of progress events.
    """

    def __init__(self, write: Callable[[str], None], clock: Clock) -> None:
        self._write = write
        self._clock = clock
        self._next_progress_s = clock.monotonic_s()
        self._last_bytes = -1
        self.fresh_until_s: float | None = None

    def channel(self, channel: Channel, metadata_versions: Mapping[str, int]) -> None:
        """A check succeeded."""
        fields = cast("dict[str, JsonValue]", encode(channel))
        self._send("channel", **fields, metadata_versions=dict(metadata_versions), **self._freshness())

    def manifest(self, artifact: str, total_bytes: int) -> None:
        """The manifest is here and trusted; the files follow."""
        self._send("manifest", artifact=artifact, total=total_bytes)

    def progress(self, done_bytes: int, total_bytes: int) -> None:
        """So much is here; left out when the last one was just now, unless it is all, or says the same."""
        now_s = self._clock.monotonic_s()
        is_due = now_s >= self._next_progress_s or done_bytes >= total_bytes
        if is_due and done_bytes != self._last_bytes:
            self._next_progress_s = now_s + _PROGRESS_PERIOD_S
            self._last_bytes = done_bytes
            self._send("progress", bytes=done_bytes, total=total_bytes)

    def done(self, *, bundle: str, artifact: str, directory: Path, downloaded: int, reused: int) -> None:
        """A fetch succeeded."""
        self._send(
            "done", bundle=bundle, artifact=artifact, directory=str(directory), downloaded=downloaded, reused=reused
        )

    def question(self, question: FileGet) -> None:
        """Blocks of a file are wanted, which come on stdin."""
        self._send("get", **cast("dict[str, JsonValue]", encode(question)))

    def error(self, code: str, message: str, *, is_transient: bool, retry_after_s: float | None = None) -> None:
        """The job failed."""
        wait: dict[str, JsonValue] = {} if retry_after_s is None else {"retry_after": retry_after_s}
        text = " ".join(message.split())
        self._send("error", code=code, message=text, transient=is_transient, **wait, **self._freshness())

    def _freshness(self) -> dict[str, JsonValue]:
        return {} if self.fresh_until_s is None else {"fresh_until": self.fresh_until_s}

    def _send(self, event: str, /, **fields: JsonValue) -> None:
        self._write(json.dumps({"event": event, **fields}, allow_nan=False) + "\n")
