"""The C kernel in a checkout: compiled when it can be, and never a reason to fail."""

from __future__ import annotations

import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from deploy.bootstrap_kernel import SOURCE, build_kernel, compiler_extra, is_built


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Has a source, and a package whose build module does what the test writes into it."""
    (tmp_path / SOURCE).parent.mkdir(parents=True)
    (tmp_path / SOURCE).write_text("int f;\n")
    for folder in ("edge_models", "edge_models/spiking"):
        (tmp_path / folder / "__init__.py").write_text("")
    return tmp_path


def test_the_tests_get_a_compiler_where_the_machine_has_none() -> None:
    assert compiler_extra(["demo", "dev"], lambda name: None) == ["wheels"]
    assert compiler_extra(["demo", "dev"], lambda name: "/usr/bin/gcc" if name == "gcc" else None) == []


@pytest.mark.parametrize("extras", [["agent"], ["demo"], ["agent", "dev"], ["tflite-runtime", "dev"]])
def test_no_other_environment_downloads_one(extras: list[str]) -> None:
    assert compiler_extra(extras, lambda name: None) == []


def test_a_kernel_older_than_its_source_counts_as_none(checkout: Path) -> None:
    kernel = (checkout / SOURCE).with_name("_kernel" + EXTENSION_SUFFIXES[0])

    assert not is_built(checkout)
    kernel.write_bytes(b"")
    assert is_built(checkout)
    os.utime(kernel, (0, 0))
    assert not is_built(checkout)


def test_a_compiler_that_fails_is_one_line(checkout: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (checkout / "edge_models/spiking/build.py").write_text("raise SystemExit('no compiler here')")

    build_kernel(Path(sys.executable), checkout)

    output = "".join(capfd.readouterr())
    assert "no compiler here" in output
    assert "work without their C kernel, slower" in output


def test_a_kernel_that_pip_has_compiled_is_left_alone(checkout: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (checkout / "edge_models/spiking/build.py").write_text("raise SystemExit('compiled twice')")
    (checkout / SOURCE).with_name("_kernel" + EXTENSION_SUFFIXES[0]).write_bytes(b"")

    build_kernel(Path(sys.executable), checkout)

    assert "".join(capfd.readouterr()) == ""
