"""`python -m edge_models.spiking.build`: a kernel for a compiler that came after the package."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_models.spiking.build import installed_path, main
from edge_models.spiking.compile import find_compiler
from edge_models.spiking.installed import MODULE, open_library


def test_the_kernel_is_built_where_it_is_looked_for() -> None:
    package, _, name = MODULE.rpartition(".")

    assert installed_path().parts[-3:-1] == tuple(package.split("."))
    assert installed_path().name.split(".")[0] == name


@pytest.mark.skipif(find_compiler() is None, reason="no C compiler here: pip install ziglang brings one")
def test_a_built_kernel_can_be_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kernel = tmp_path / "_kernel.so"

    assert main(["-o", str(kernel)]) == 0

    assert open_library(kernel) is not None
    assert capsys.readouterr().out == f"{kernel}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["_kernel.so"]


@pytest.mark.skipif(find_compiler() is None, reason="no C compiler here: pip install ziglang brings one")
def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-o", str(tmp_path / "none" / "_kernel.so")]) == 2

    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
