from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.deploy.brokers import MOSQUITTO, Ports, embedded_broker, mosquitto_broker

NEEDS_MOSQUITTO = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")


@pytest.fixture(params=["embedded", pytest.param("mosquitto", marks=[pytest.mark.mosquitto, NEEDS_MOSQUITTO])])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ports]:
    """A broker of each kind."""
    if request.param == "embedded":
        with embedded_broker() as ports:
            yield ports
    else:
        with mosquitto_broker(tmp_path) as ports:
            yield ports
