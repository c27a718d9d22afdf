"""Which recorded frame kills every worker that takes it."""

from __future__ import annotations

import logging

from agent.config import FILE_SOURCES, SourceConfig

log = logging.getLogger(__name__)

DEATHS_AT_A_FRAME = 3  # of workers in a row, before the frame is passed over


class DeadlyFrames:
    """Counts deaths at one place of the source.

    Args:
        source: Of the agent; a live one never repeats a frame, so none of its frames is passed over.
    """

    def __init__(self, source: SourceConfig | None) -> None:
        self._repeats = isinstance(source, FILE_SOURCES)
        self._at, self._deaths = -1, 0

    def kills(self, position: int) -> bool:
        """Count a worker that died at ``position``; whether that was one too many, so that the frame is to be left."""
        if not self._repeats:
            return False
        self._at, self._deaths = position, self._deaths + 1 if position == self._at else 1
        if self._deaths < DEATHS_AT_A_FRAME:
            return False
        log.warning("frame skipped position=%d deaths=%d", position, self._deaths)
        return True
