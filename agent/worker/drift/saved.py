"""The state of a trigger as bytes: what a later worker needs to go on. The supervisor keeps them, and looks not inside.

It is small and changes with every frame: how far commissioning is, how many frames count as one, and what the
e-detectors have gathered. It belongs to one profile; under another one only what is known of the site is taken over
(correlation and commissioning). Contexts learnt here change seldom and are kept apart (``edge_models.profile``).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from edge_models.errors import ArchiveError

Kind = Literal["trigger", "contexts"]
"""What a later worker is given: this state, or the contexts that were learnt."""

_MAGIC = b"DT1"
_HEADER = struct.Struct("<3s16sHHIdBB")  # magic, profile, thin, commissioned, n_effective, elapsed_s, flags, detectors
_PART = struct.Struct("<16sH")
_HAS_VERDICT = 1
MAX_TRIGGER_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerState:
    """State of a trigger.

    Attributes:
        profile: Id of the profile that it watches against.
        thin: One of so many frames counts as independent.
        commissioned: The same as commissioning measured it; 0 while it does.
        n_effective: Independent frames since commissioning began.
        elapsed_s: Seconds since then.
        has_verdict: Whether there was a verdict since then.
        detectors: State of each e-detector by its name.
    """

    profile: str
    thin: int
    commissioned: int
    n_effective: int
    elapsed_s: float
    has_verdict: bool
    detectors: Mapping[str, bytes] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """The state as bytes."""
        out = _HEADER.pack(
            _MAGIC,
            self.profile.encode("ascii"),
            min(self.thin, 0xFFFF),
            min(self.commissioned, 0xFFFF),
            min(self.n_effective, 0xFFFF_FFFF),
            self.elapsed_s,
            _HAS_VERDICT if self.has_verdict else 0,
            len(self.detectors),
        )
        for name, body in sorted(self.detectors.items()):
            out += _PART.pack(name.encode("ascii"), len(body)) + body
        return out + struct.pack("<I", zlib.crc32(out))

    @classmethod
    def from_bytes(cls, data: bytes) -> TriggerState:
        """Read what ``to_bytes`` gave.

        Raises:
            ArchiveError: Damaged, or of another version.
        """
        body, check = data[:-4], data[-4:]
        if len(body) < _HEADER.size or struct.pack("<I", zlib.crc32(body)) != check or not body.startswith(_MAGIC):
            raise ArchiveError(f"state of the trigger: found {len(data)} bytes that are damaged or of another version")
        _, profile, thin, commissioned, n_effective, elapsed_s, flags, parts = _HEADER.unpack_from(body)
        detectors, offset = dict[str, bytes](), _HEADER.size
        for _ in range(parts):
            if offset + _PART.size > len(body):
                raise ArchiveError("state of the trigger: found fewer detectors than it names")
            name, size = _PART.unpack_from(body, offset)
            offset += _PART.size
            detectors[name.rstrip(b"\0").decode("ascii", "replace")] = body[offset : offset + size]
            offset += size
        if offset != len(body) or not 0 <= elapsed_s < float("inf"):
            raise ArchiveError("state of the trigger: found sizes that do not add up")
        return cls(
            profile=profile.rstrip(b"\0").decode("ascii", "replace"),
            thin=max(1, thin),
            commissioned=commissioned,
            n_effective=n_effective,
            elapsed_s=elapsed_s,
            has_verdict=bool(flags & _HAS_VERDICT),
            detectors=detectors,
        )
