"""The common name in a certificate, read without a cryptography library and compared with one."""

from __future__ import annotations

import contextlib
import datetime as dt
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from agent.config import MqttConfig, TlsConfig
from agent.credentials import common_name, password, tls_context
from agent.errors import LinkError

KEY = ec.generate_private_key(ec.SECP256R1())
START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def certificate(names: list[x509.NameAttribute[str]]) -> bytes:
    name = x509.Name(names)
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "the issuer")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(KEY.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(START).not_valid_after(START + dt.timedelta(days=3650))
    return builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def cn(text: str) -> x509.NameAttribute[str]:
    return x509.NameAttribute(NameOID.COMMON_NAME, text)


GOOD = ssl.PEM_cert_to_DER_cert(certificate([cn("pi7-cam")]).decode())


def write_pair(directory: Path, name: str) -> TlsConfig:
    (directory / "cert.pem").write_bytes(certificate([cn(name)]))
    (directory / "key.pem").write_bytes(
        KEY.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    paths = {field: str(directory / f"{field}.pem") for field in ("cert", "key")}
    return TlsConfig(ca=paths["cert"], **paths)


@pytest.mark.parametrize("name", ["pi7-cam", "a", "x" * 64, "Gerät 7", "装置"])
def test_common_name_is_the_one_that_was_signed(tmp_path: Path, name: str) -> None:
    path = tmp_path / "cert.pem"
    organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Driftline")
    path.write_bytes(b"some text before\n" + certificate([organisation, cn(name)]))

    assert common_name(path) == name


@pytest.mark.parametrize("names", [[], [cn("one"), cn("two")]])
def test_subject_without_exactly_one_common_name_is_refused(
    tmp_path: Path, names: list[x509.NameAttribute[str]]
) -> None:
    path = tmp_path / "cert.pem"
    path.write_bytes(certificate(names))

    with pytest.raises(LinkError, match=f"found {len(names)} common names"):
        common_name(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"-----BEGIN CERTIFICATE-----\n", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"],
)
def test_file_that_is_no_certificate_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "cert.pem"
    path.write_bytes(content)

    with pytest.raises(LinkError, match=r"cert\.pem"):
        common_name(path)


@given(st.integers(0, 400), st.binary(min_size=1, max_size=3))
def test_damaged_certificate_never_ends_in_another_error(
    tmp_path_factory: pytest.TempPathFactory, at: int, damage: bytes
) -> None:
    der = bytearray(GOOD)
    der[at : at + len(damage)] = damage
    path = tmp_path_factory.getbasetemp() / "damaged.pem"
    path.write_text(ssl.DER_cert_to_PEM_cert(bytes(der)))

    with contextlib.suppress(LinkError):
        common_name(path)


def test_certificate_of_another_device_is_refused_at_start(tmp_path: Path) -> None:
    config = MqttConfig(tls=write_pair(tmp_path, "pi8-cam"))

    with pytest.raises(LinkError, match="common name is 'pi8-cam', expected the id 'pi7-cam'"):
        tls_context(config, "pi7-cam")


def test_own_certificate_is_taken(tmp_path: Path) -> None:
    assert tls_context(MqttConfig(tls=write_pair(tmp_path, "pi7-cam")), "pi7-cam") is not None


def test_missing_authority_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match=r"mqtt\.tls"):
        tls_context(MqttConfig(tls=TlsConfig(ca=str(tmp_path / "none.pem"))), "pi7-cam")


def test_plain_tcp_needs_nothing() -> None:
    assert tls_context(MqttConfig(), "pi7-cam") is None
    assert password(None) is None


def test_password_is_the_line_in_its_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cret word\n")

    assert password(str(tmp_path / "password")) == "s3cret word"
    with pytest.raises(LinkError, match="password_file"):
        password(str(tmp_path / "none"))
