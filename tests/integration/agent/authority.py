"""A certificate authority for tests, which also signs what it should not."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = dt.timedelta(days=1)


class Authority:
    """Signs certificates and writes them beside their keys.

    Args:
        directory: Where to.
        name: Of the authority, and of its file.
    """

    def __init__(self, directory: Path, name: str = "ca") -> None:
        self.directory = directory
        self.file = str(directory / f"{name}.crt")
        self._name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        directory.mkdir(exist_ok=True)
        self._write(name, self._signed(f"Test {name}", self._key, days=(-2, 2), host=None), self._key)

    def issue(
        self, name: str, *, days: tuple[float, float] = (-1, 1), host: str = "localhost", file: str | None = None
    ) -> dict[str, str]:
        """Paths of ca, cert and key of a certificate that is valid from so many days from now until so many."""
        key = ec.generate_private_key(ec.SECP256R1())
        file = file or name
        self._write(file, self._signed(name, key, days=days, host=host), key)
        return {
            "ca": self.file, "cert": str(self.directory / f"{file}.crt"), "key": str(self.directory / f"{file}.key")
        }  # fmt: skip

    def _signed(
        self, name: str, key: ec.EllipticCurvePrivateKey, *, days: tuple[float, float], host: str | None
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Test {self._name}")])
        builder = x509.CertificateBuilder(
            issuer, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key.public_key(),
            x509.random_serial_number(), now + days[0] * DAY, now + days[1] * DAY,
        )  # fmt: skip
        builder = builder.add_extension(x509.BasicConstraints(ca=host is None, path_length=None), critical=True)
        if host is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def _write(self, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        pem = serialization.Encoding.PEM
        (self.directory / f"{name}.crt").write_bytes(certificate.public_bytes(pem))
        (self.directory / f"{name}.key").write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
