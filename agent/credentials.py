"""Certificate, key and password for the broker, read and checked at start.

The common name is taken from the certificate by a small DER reader, because a cryptography library would double the
supervisor's memory. Only the operator's own file is read, to notice a wrong one at start rather than by a refused
connection; trust is decided by the TLS library and the broker, never here.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from agent.config import MqttConfig
from agent.errors import LinkError

MAX_PEM_BYTES = 64 * 1024
MAX_PASSWORD_BYTES = 4096
_COMMON_NAME = bytes.fromhex("550403")  # OID 2.5.4.3
_SET, _CONTEXT_0 = 0x31, 0xA0
_UTC_TIME = 0x17
_STRINGS = {0x0C: "utf-8", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1E: "utf-16-be"}  # X.680 string tags
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


def common_name(path: Path) -> str:
    """The subject's common name of the first certificate in a PEM file.

    Raises:
        LinkError: The file cannot be read, holds no certificate, or one without exactly one common name.
    """
    with _reading(path):
        names = _common_names(_fields(path)[4][1])
    if len(names) != 1:
        raise LinkError(f"{path}: found {len(names)} common names in the subject, expected one, the device's id")
    return names[0]


def validity(path: str) -> tuple[float, float]:
    """When the first certificate in a PEM file begins and ceases to be valid, in seconds since 1970.

    Raises:
        LinkError: The file cannot be read, or holds no certificate.
    """
    with _reading(Path(path)):
        first, last = (_time_s(tag, value) for tag, value in _items(_fields(Path(path))[3][1]))
        return first, last


def tls_context(config: MqttConfig, device: str) -> ssl.SSLContext | None:
    """TLS as configured, or None for plain TCP.

    Raises:
        LinkError: A file cannot be used, or the certificate is another device's.
    """
    tls = config.tls
    if tls is None:
        return None
    if tls.cert is not None:
        name = common_name(Path(tls.cert))
        if name != device:
            raise LinkError(f"{tls.cert}: the certificate's common name is {name!r}, expected the id {device!r}")
    files = tls.ca
    try:
        context = ssl.create_default_context(cafile=tls.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2  # ETSI EN 303 645, 5.5
        if tls.cert is not None:
            files = f"{tls.cert} with {tls.key}"
            context.load_cert_chain(tls.cert, tls.key)
    except (OSError, ssl.SSLError) as exc:
        raise LinkError(f"mqtt.tls: {files}: cannot be used ({exc}); check ca, cert and key (PEM files)") from exc
    return context


def password(path: str | None) -> str | None:
    """What the password file holds, or None without one.

    Raises:
        LinkError: It cannot be read.
    """
    if path is None:
        return None
    try:
        with Path(path).open("rb") as stream:
            return stream.read(MAX_PASSWORD_BYTES).decode("utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as exc:
        raise LinkError(f"{path}: password cannot be read ({exc}); check mqtt.password_file") from exc


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise LinkError(f"{path}: {exc.strerror}; expected the device's certificate (PEM)") from exc
    except (ValueError, IndexError, UnicodeDecodeError) as exc:
        raise LinkError(f"{path}: not an X.509 certificate ({exc})") from exc


def _fields(path: Path) -> list[tuple[int, bytes]]:
    """RFC 5280 section 4.1: Certificate { tbs { [0] version, serial, algorithm, issuer, validity, subject, ... } }."""
    with path.open("rb") as stream:
        text = stream.read(MAX_PEM_BYTES).decode("ascii", "replace")
    begin, end = text.find(_BEGIN), text.find(_END)
    if begin < 0 or end < begin:
        raise LinkError(f"{path}: found no {_BEGIN}, expected the device's certificate (PEM)")
    tbs = _items(_items(ssl.PEM_cert_to_DER_cert(text[begin : end + len(_END)]))[0][1])[0][1]
    fields = _items(tbs)
    if fields[0][0] == _CONTEXT_0:
        del fields[0]
    return fields


def _time_s(tag: int, value: bytes) -> float:
    """RFC 5280 section 4.1.2.5: UTCTime YYMMDDHHMMSSZ until 2049, GeneralizedTime YYYYMMDDHHMMSSZ after it."""
    text = value.decode("ascii")
    if tag == _UTC_TIME:
        text = ("20" if int(text[:2]) < 50 else "19") + text  # the RFC's own border
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def _common_names(subject: bytes) -> list[str]:
    names = []
    for tag, relative_name in _items(subject):
        if tag != _SET:
            raise ValueError("the subject is no sequence of sets")
        for _, pair in _items(relative_name):
            (_, oid), (string_tag, value) = _items(pair)[:2]
            if oid == _COMMON_NAME and string_tag in _STRINGS:
                names.append(value.decode(_STRINGS[string_tag]))
    return names


def _items(der: bytes) -> list[tuple[int, bytes]]:
    """Tags and contents of the DER values that stand one after the other (X.690 section 8.1)."""
    items, at = [], 0
    while at < len(der):
        tag, length, at = der[at], der[at + 1], at + 2
        if length & 0x80:
            count = length & 0x7F
            length, at = int.from_bytes(der[at : at + count], "big"), at + count
        if at + length > len(der):
            raise ValueError("a length reaches past the end")
        items.append((tag, der[at : at + length]))
        at += length
    return items
