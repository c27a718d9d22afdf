"""The words for a certificate that is refused."""

from __future__ import annotations

import ssl

import pytest

from agent.config import MqttConfig, TlsConfig
from agent.tls_failure import refusal_of_broker

MIDNIGHT_S = 1_800_000_000.0 - 1_800_000_000 % 86400
CONFIG = MqttConfig(host="broker.example", tls=TlsConfig(ca="ca.pem"))


@pytest.mark.parametrize("code", [9, 10])
def test_tries_within_a_day_have_the_same_words_so_that_the_log_tells_them_once(code: int) -> None:
    problem = ssl.SSLCertVerificationError()
    problem.verify_code = code

    words = {refusal_of_broker(problem, CONFIG, MIDNIGHT_S + 60.0 * minute) for minute in range(1440)}

    assert len(words) == 1
    assert "by this device's clock (2027-01-15)" in words.pop()


def test_what_says_enough_by_itself_stays_as_it_is() -> None:
    assert refusal_of_broker(ConnectionRefusedError("refused"), CONFIG, 0.0) == "refused"
