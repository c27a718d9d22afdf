"""A little certificate authority for tests."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deploy.config import TlsConfig


class Authority:
    """Signs certificates into ``directory``: ca.crt, NAME.crt and NAME.key."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("driftline test CA")
        certificate = self._builder(self._name, self._key.public_key())
        signed = certificate.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self._write("ca.crt", signed.sign(self._key, hashes.SHA256()))

    def issue(self, name: str) -> TlsConfig:
        """A certificate whose common name is ``name``, good for a server on the loopback address and for a client."""
        key = ec.generate_private_key(ec.SECP256R1())
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        certificate = self._builder(_name(name), key.public_key())
        certificate = certificate.add_extension(x509.SubjectAlternativeName([address]), critical=False)
        self._write(f"{name}.crt", certificate.sign(self._key, hashes.SHA256()))
        data = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (self.directory / f"{name}.key").write_bytes(data)
        return TlsConfig(ca=self._path("ca.crt"), cert=self._path(f"{name}.crt"), key=self._path(f"{name}.key"))

    def _path(self, name: str) -> str:
        return str(self.directory / name)

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
        )

    def _write(self, name: str, certificate: x509.Certificate) -> None:
        (self.directory / name).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
