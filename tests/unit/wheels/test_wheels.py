"""What can be known of a wheel without building one; tests/emulated builds and installs them."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy import cli
from deploy.errors import UsageError
from deploy.wheels.build import build_wheels
from deploy.wheels.platforms import BY_NAME, PLATFORMS, is_for


def elf(machine: int) -> bytes:
    return b"\x7fELF" + bytes(14) + machine.to_bytes(2, "little") + bytes(40)


def test_a_kernel_is_for_one_processor_only() -> None:
    assert is_for(elf(183), BY_NAME["aarch64"])
    assert [is_for(elf(183), platform) for platform in PLATFORMS] == [False, True, False]
    assert not is_for(b"not a library at all.....", BY_NAME["x86_64"])
    assert not is_for(b"", BY_NAME["x86_64"])


def test_wheels_are_built_from_a_checkout_only(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no pyproject.toml, expected a checkout"):
        build_wheels(tmp_path, tmp_path / "out", PLATFORMS, lambda line: None)

    assert not (tmp_path / "out").exists()


def test_an_unknown_platform_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["wheels", "-o", "out", "--platform", "riscv64"])

    assert caught.value.code == 2
    assert "riscv64" in capsys.readouterr().err
