"""One real build, used by many tests."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edge_models.bundle import Bundle, open_bundle
from tests.integration.converter.program import convert


@dataclass(frozen=True, slots=True)
class Built:
    """What `build digits` left behind and printed."""

    bundle: Bundle
    model: Path
    printed: dict[str, Any]
    progress: list[dict[str, Any]]
    leftovers: list[str]


@pytest.fixture(scope="package")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The digits, trained and converted through the command line."""
    folder = tmp_path_factory.mktemp("built")
    temporary = tmp_path_factory.mktemp("temporary")
    output, model = folder / "bundle", folder / "models" / "digits.keras"
    ended = convert(
        *("build", "digits", "-o", output, "--keep-model", model, "--json", "--progress", "json"), temporary=temporary
    )
    assert ended.returncode == 0, ended.stderr
    return Built(
        bundle=open_bundle(output),
        model=model,
        printed=json.loads(ended.stdout),
        progress=[json.loads(line) for line in ended.stderr.splitlines()],
        leftovers=[path.name for path in (*temporary.iterdir(), *folder.glob(".*"))],
    )
