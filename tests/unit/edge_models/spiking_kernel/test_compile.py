"""Compiling, finding and refusing kernels."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge_models.errors import RuntimeMissingError
from edge_models.spiking import compile as kernels
from edge_models.spiking import installed
from edge_models.spiking.kernel import Kernel
from edge_models.spiking.program import ABI
from tests.assets import spiking

needs_compiler = pytest.mark.skipif(
    kernels.find_compiler() is None, reason="no C compiler (cc, gcc, clang or PyPI's ziglang)"
)


def test_a_compiler_that_fails_leaves_nothing_behind_and_is_quoted(tmp_path: Path) -> None:
    compiler = [sys.executable, "-c", "import sys; sys.exit('kernel.c:1: error: no such register')"]

    with pytest.raises(RuntimeMissingError, match=r"cannot compile kernel\.c: kernel\.c:1: error: no such register"):
        kernels.compile_kernel(tmp_path / "kernel.so", compiler)

    assert list(tmp_path.iterdir()) == []


def test_a_compiler_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(RuntimeMissingError, match="no-such-compiler"):
        kernels.compile_kernel(tmp_path / "kernel.so", ["no-such-compiler"])


def test_a_file_that_is_no_library_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "kernel.so"
    path.write_bytes(b"not a library")

    with pytest.raises(RuntimeMissingError, match=r"kernel\.so cannot be loaded"):
        installed.open_library(path)


@needs_compiler
@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("int spiking_abi(void) { return 99; }", "has version 99, expected 2: install the package again"),
        ("int spiking_abi(void) { return 2; }", "cannot be loaded: .*spiking_open"),
        ("int another(void) { return 1; }", "cannot be loaded: .*spiking_abi"),
    ],
)
def test_a_library_of_another_version_is_refused(tmp_path: Path, source: str, reason: str) -> None:
    code, path = tmp_path / "other.c", tmp_path / "other.so"
    code.write_text(source)
    subprocess.run([*(kernels.find_compiler() or ()), "-shared", "-fPIC", "-o", path, code], check=True)

    with pytest.raises(RuntimeMissingError, match=reason):
        installed.open_library(path)


@needs_compiler
def test_the_kernel_compiles_without_a_warning(tmp_path: Path) -> None:
    path = kernels.compile_kernel(tmp_path / "kernel.so", flags=["-O0", "-Wall", "-Wextra", "-Werror"])

    assert installed.open_library(path).spiking_abi() == ABI


def test_a_missing_kernel_is_told_in_one_line_and_is_the_reason_of_the_executors_error(tmp_path: Path) -> None:
    package = Path(kernels.__file__).parents[1]
    shutil.copytree(package, tmp_path / "edge_models", ignore=shutil.ignore_patterns("_kernel*", "__pycache__"))
    program = """
from edge_models.errors import RuntimeMissingError
from edge_models.spiking.installed import load, why_missing
from edge_models.spiking.kernel import Kernel
from edge_models.spiking.program import ABI
print(load(), why_missing())
try:
    Kernel(None)
except RuntimeMissingError as exc:
    print(exc)
"""

    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)

    told, reason = done.stdout.splitlines()
    assert told.startswith("None the C kernel is not installed: pip install")
    assert told == f"None {reason}"


def test_an_installed_kernel_is_found_and_used() -> None:
    if installed.load() is None:
        pytest.skip(str(installed.why_missing()))
    network = spiking.network(0)
    frame = spiking.frames(network, 0, 1)[0]

    assert installed.why_missing() is None
    assert Kernel(network).run(frame).steps == network.steps
