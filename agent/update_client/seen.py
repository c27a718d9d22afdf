"""The versions of metadata that this device has seen, in a durable record beside python-tuf's own files.

python-tuf takes a stored file that it cannot read as none, and then accepts any version from the network. A power cut
can tear its files, since it does not sync them; this record closes that door. It counts versions for each set of keys:
after a rotation of a role's keys its versions may begin anew (TUF section 5.3.11).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agent.errors import StorageError
from agent.storage import Storage
from agent.update_client.errors import RollbackError
from edge_models.errors import FieldError
from edge_models.fields import canonical_json, decode_json, described

SEEN_FILE = "tuf/seen.json"
_MAX_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    version: int = described("Highest version seen.", ge=1)
    keys: tuple[str, ...] = described("Ids of the keys that sign the role.", max_length=64)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    v: int = described("Version of the record.", default=1, ge=1, le=1)
    roles: dict[str, _Seen] = described("By role.", max_length=64)


class SeenVersions:
    """The record in the state directory."""

    def __init__(self, storage: Storage) -> None:
        """Read nothing yet."""
        self._storage = storage

    def remember(self, roles: Mapping[str, tuple[int, list[str]]]) -> None:
        """Compare with the record and raise it.

        Args:
            roles: Version and ids of the signing keys, by role.

        Raises:
            RollbackError: A version is lower than one seen before under the same keys.
            StorageError: The record cannot be written.
        """
        known = self._read()
        now = {role: _Seen(version=version, keys=tuple(keys)) for role, (version, keys) in roles.items()}
        for role, seen in now.items():
            before = known.get(role)
            if before is not None and before.keys == seen.keys and seen.version < before.version:
                raise RollbackError(
                    f"{role} metadata has version {seen.version}, this device has seen {before.version}; "
                    "look for an attack, or a registry restored from a backup"
                )
        if now != known:
            self._storage.write_atomic(SEEN_FILE, canonical_json(_Record(roles=now)))

    def _read(self) -> dict[str, _Seen]:
        # A damaged record counts as none: refusing every update from then on would be worse, and the write is atomic.
        try:
            data = self._storage.read(SEEN_FILE, max_bytes=_MAX_BYTES)
            return {} if data is None else decode_json(_Record, data, max_bytes=_MAX_BYTES).roles
        except (FieldError, StorageError):
            return {}
