"""A registry's files through the broker, block by block, for sites where no other port is open.

The device pulls: it asks for a few blocks at a time and asks again for those that do not come. Nothing here is trusted:
metadata and manifests are signed, and every file is checked against them, as with HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_models.fields import described
from edge_models.wire.values import CODE, MAX_INT, count_field, id_field, text_field, version_field

BLOCK_BYTES = 16 * 1024
MAX_BLOCKS = 4  # asked for at once: head-of-line for telemetry, and the broker's in-flight limit
FILE_PATH = r"(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9_./-]{0,299}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileGet:
    """Some blocks of one file, from an offset on."""

    v: int = version_field()
    id: str = id_field("Repeated in each block, so that late ones of another question are known.")
    path: str = described("Below the registry's directory: metadata/..., targets/...", pattern=FILE_PATH)
    offset: int = count_field("First byte.", default=0)
    blocks: int = described("How many blocks.", default=1, ge=1, le=MAX_BLOCKS)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileBlock:
    """One block."""

    v: int = version_field()
    id: str = id_field("Of the question.")
    offset: int = count_field("Of its first byte.", default=0)
    size: int | None = described("Of the whole file; null when there is none.", default=None, ge=0, le=MAX_INT)
    data: str = text_field("base64 of the bytes; empty at the end of the file.", default="", max_length=24576)
    code: str = described("ok, not_found, busy.", default="ok", pattern=CODE)
