"""The kernel with the compiler's own checks: no undefined behaviour, no byte outside of an array."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge_models.spiking.compile import compile_kernel

ROOT = Path(__file__).parents[3]
CHECKS = ("-fsanitize=undefined,address", "-fno-sanitize-recover=all", "-g", "-O1")


@pytest.mark.integration
@pytest.mark.parametrize(
    ("module", "count", "said"),
    [("comparison", 150, "150 graphs are the same\n"), ("hostile_headers", 1000, "of 1000 pass, and are the same\n")],
)
def test_sanitizers_find_nothing(tmp_path: Path, module: str, count: int, said: str) -> None:
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("the sanitizers' libraries come with gcc, which is not here")
    runtimes = [
        subprocess.run([gcc, f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    if not all(Path(runtime).is_file() for runtime in runtimes):
        pytest.skip("this gcc has no sanitizer libraries")
    kernel = compile_kernel(tmp_path / "kernel.so", [gcc], CHECKS)
    # Leaks: the interpreter's own are not ours.
    environment = {**os.environ, "LD_PRELOAD": " ".join(runtimes), "ASAN_OPTIONS": "detect_leaks=0"}

    done = subprocess.run(
        [sys.executable, "-m", f"tests.unit.edge_models.spiking_kernel.{module}", str(kernel), str(count)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(said)
