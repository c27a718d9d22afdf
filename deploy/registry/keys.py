"""Private keys of the registry: unencrypted ed25519 PEM files that only their owner can read.

``keys/offline`` (root, targets) says whom devices trust: after ``registry init`` it belongs on a stick in a drawer, as
publishing and choosing never need it. ``keys/online`` signs bundles, channels and freshness.
"""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import CryptoSigner

from deploy.registry.errors import SigningKeyError

_MAX_KEY_BYTES = 64 * 1024


def create_key(path: Path) -> CryptoSigner:
    """Make a new key at ``path``, which must not exist, readable by its owner only."""
    signer = CryptoSigner.generate_ed25519()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(signer.private_bytes)
        stream.flush()
        os.fsync(stream.fileno())
    return signer


def load_key(path: Path, *, role: str, trusted: list[str]) -> CryptoSigner:
    """Read the private key of ``role``.

    Args:
        path: The PEM file.
        role: For the error messages.
        trusted: Ids of the keys that may sign for the role.

    Raises:
        SigningKeyError: Missing, readable by others, malformed, or not trusted for the role.
    """
    try:
        signer = read_key(path, role=role)
    except OSError as exc:
        raise SigningKeyError(
            f"{path}: {exc.strerror}; signing for {role} needs this key, bring it to this machine"
        ) from exc
    if signer.public_key.keyid not in trusted:
        raise SigningKeyError(f"{path}: key {signer.public_key.keyid[:12]}.. is not one that devices trust for {role}")
    return signer


def read_key(path: Path, *, role: str) -> CryptoSigner:
    """Read a private key, whether anybody trusts it or not.

    Raises:
        SigningKeyError: Readable by others, or malformed.
        OSError: It cannot be read.
    """
    with path.open("rb") as stream:
        mode = os.fstat(stream.fileno()).st_mode
        data = stream.read(_MAX_KEY_BYTES)
    if mode & 0o077:
        raise SigningKeyError(f"{path}: mode {mode & 0o777:o} lets others read the key; run chmod 600 on it")
    try:
        private = load_pem_private_key(data, password=None)
    except (TypeError, ValueError) as exc:
        raise SigningKeyError(f"{path}: not an unencrypted PEM private key for {role} ({exc})") from exc
    if not isinstance(private, Ed25519PrivateKey):
        raise SigningKeyError(f"{path}: {type(private).__name__}, expected an ed25519 key")
    return CryptoSigner(private)
