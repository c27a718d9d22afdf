"""One compiled kernel for all tests; where no C compiler is, they are skipped with the reason."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from edge_models.spiking.compile import compile_kernel, find_compiler
from edge_models.spiking.installed import open_library


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    if find_compiler() is None:
        pytest.skip("no C compiler (cc, gcc, clang or PyPI's ziglang), so there is no kernel to test")
    folder: Path = tmp_path_factory.mktemp("kernel")
    return open_library(compile_kernel(folder / "kernel.so"))
