"""Why TLS with the broker failed, in words that name what to do; deciding whom to trust is the TLS library's alone.

Every one of these is tried again for ever, a second to half a minute later: certificates are renewed and clocks are set
while a device waits, and its model runs on meanwhile.
"""

from __future__ import annotations

import ssl
from datetime import UTC, datetime

from agent.config import MqttConfig
from agent.credentials import validity
from agent.errors import LinkError

# OpenSSL, x509_vfy.h: X509_V_ERR_...
_NOT_YET_VALID, _EXPIRED = 9, 10
_OTHER_HOST = {62, 64}  # HOSTNAME_MISMATCH, IP_ADDRESS_MISMATCH
_OTHER_CA = {2, 7, 18, 19, 20, 21}  # no issuer, bad signature, self-signed, issuer unknown


def refusal_of_broker(problem: BaseException | None, config: MqttConfig, utc_s: float) -> str:
    """Why there is no connection; the system's own words where they say enough.

    Args:
        problem: What the attempt raised.
        config: Of the broker.
        utc_s: What this device's clock says, right or wrong.
    """
    if not isinstance(problem, ssl.SSLCertVerificationError) or config.tls is None:
        return str(problem)
    clock = datetime.fromtimestamp(utc_s, UTC).strftime("%Y-%m-%d")  # by the minute, each try would be news for the log
    if problem.verify_code == _NOT_YET_VALID:
        return f"the broker's certificate is not valid yet, by this device's clock ({clock}); goes on when that is set"
    if problem.verify_code == _EXPIRED:
        return f"the broker's certificate has expired, by this device's clock ({clock}); renew it, or set the clock"
    if problem.verify_code in _OTHER_HOST:
        return f"the broker's certificate is not for {config.host}; check mqtt.host, or issue one for that name"
    if problem.verify_code in _OTHER_CA:
        return f"the broker's certificate is not signed by {config.tls.ca}; check mqtt.tls.ca and who answers there"
    return f"the broker's certificate is refused: {problem.verify_message}"


def refusal_of_device(config: MqttConfig, utc_s: float) -> str:
    """Why a broker may have hung up before it answered; empty without TLS."""
    if config.tls is None:
        return ""
    if config.tls.cert is None:
        return "; with TLS it may want a certificate of this device (mqtt.tls.cert and key)"
    try:
        not_before_s, not_after_s = validity(config.tls.cert)
    except LinkError:
        return ""
    if utc_s > not_after_s:
        return f"; this device's certificate {config.tls.cert} has expired: renew it, or set the clock"
    if utc_s < not_before_s:
        return f"; this device's certificate {config.tls.cert} is not valid yet: set the clock"
    return f"; it may not trust who signed {config.tls.cert}"
