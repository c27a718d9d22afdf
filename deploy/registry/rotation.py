"""A new key for a role whose key was stolen or lost: devices follow, because the offline keys say so.

The new key is made first and takes the old one's place; then root (for snapshot and timestamp) or targets (for bundles
and channels) names it alone, and everything below is signed anew. A rotation that was killed in between is finished by
the next one: a key in the role's place that nobody trusts yet is the one that it goes on with.
"""

from __future__ import annotations

import contextlib
from datetime import datetime

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Root, Targets

from deploy.registry.errors import RegistryUsageError
from deploy.registry.files import sync_directory
from deploy.registry.keys import create_key, load_key, read_key
from deploy.registry.metadata import DELEGATED, MetadataStore
from deploy.registry.settings import ONLINE_ROLES, Layout


def rotate(metadata: MetadataStore, layout: Layout, role: str) -> dict[str, datetime]:
    """Give an online role another key; the caller holds the registry's lock.

    Returns:
        When the metadata of each role expires now.

    Raises:
        RegistryUsageError: No such role.
        SigningKeyError: The offline key that has to say so is not here.
    """
    if role not in ONLINE_ROLES:
        raise RegistryUsageError(f"role {role!r}: found no online role, expected one of {', '.join(ONLINE_ROLES)}")
    state = metadata.load()
    delegator: Root | Targets = state.targets if role in DELEGATED else state.root
    offline = "targets" if role in DELEGATED else "root"
    by_whom = state.root.get_delegated_role(offline).keyids
    load_key(layout.key(offline), role=offline, trusted=by_whom)  # before anything is changed
    trusted = list(delegator.get_delegated_role(role).keyids)
    new = _new_key(layout, role, trusted)
    for old in trusted:
        delegator.revoke_key(old, role)
    delegator.add_key(new.public_key, role)
    if role in DELEGATED:
        metadata.commit(state, changed=("targets", role))
    else:
        metadata.commit(state, root=True)
    return state.expiries()


def _new_key(layout: Layout, role: str, trusted: list[str]) -> CryptoSigner:
    place = layout.key(role)
    with contextlib.suppress(FileNotFoundError):
        present = read_key(place, role=role)
        if present.public_key.keyid not in trusted:
            return present
    fresh = place.with_name(f"{place.name}.new")
    fresh.unlink(missing_ok=True)
    made = create_key(fresh)
    fresh.replace(place)
    sync_directory(place.parent)
    return made
