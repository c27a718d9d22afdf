"""Wheels are built here, installed by the pip of an emulated Pi, and compute there what they compute everywhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy.bootstrap import ROOT
from tests.assets.spiking import CODINGS
from tests.assets.spiking_case import DIGESTS
from tests.emulated.userland import PIS, Pi, Userland, UserlandError, make_userland

pytestmark = [pytest.mark.emulated, pytest.mark.slow, pytest.mark.timeout(900)]
FIXED_CASE = Path(__file__).with_name("fixed_case.py")
PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
CACHE = ROOT / ".driftline" / "emulated"


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All wheels, built as a user builds them."""
    folder = tmp_path_factory.mktemp("wheels")
    command = [sys.executable, "-m", "deploy", "wheels", "--json", "-o", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session", params=PIS, ids=lambda pi: pi.name)
def pi(request: pytest.FixtureRequest) -> Userland:
    kind: Pi = request.param
    try:
        return make_userland(kind, CACHE)
    except UserlandError as exc:
        pytest.skip(str(exc))


@pytest.fixture(scope="session")
def runtime(pi: Userland, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the TFLite runtime that has wheels for both processors."""
    folder = tmp_path_factory.mktemp("runtime")
    try:
        pi.python(*PIP, "--no-deps", "--only-binary", ":all:", "--target", folder, "tflite-runtime==2.14.0")
    except subprocess.CalledProcessError as exc:
        pytest.skip(f"no tflite-runtime for {pi.pi.name} from the package index: pip ended with {exc.returncode}")
    return folder


@pytest.fixture(scope="session")
def site(pi: Userland, wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as the userland's own pip installs it, from all wheels."""
    return install(pi, wheels, tmp_path_factory.mktemp("site"))


def install(pi: Userland, wheels: Path, target: Path) -> Path:
    pi.python(*PIP, "--no-index", "--find-links", wheels, "--target", target, "driftline")
    return target


def answers(pi: Userland, site: Path, *others: Path) -> dict[str, Any]:
    """What the executors of an installed package say to the fixed case."""
    output = pi.python(
        FIXED_CASE, python_path=[site, *others, ROOT]
    )  # as a file: -m would prefer the working directory
    found: dict[str, Any] = json.loads(output)
    assert Path(found["package"]).is_relative_to(site)
    return found


def test_the_pi_is_one(pi: Userland) -> None:
    assert pi.python("-c", "import platform; print(platform.machine())").strip() == pi.pi.machine


def test_numpy_and_the_installed_kernel_give_the_digests(pi: Userland, site: Path) -> None:
    found = answers(pi, site)

    assert found["machine"] == pi.pi.machine
    assert found["missing"] is None
    assert found["numpy"] == DIGESTS
    assert found["kernel"] == DIGESTS
    assert found["streams"] == {coding: DIGESTS[coding] for coding in CODINGS}


def test_the_wheel_without_a_kernel_gives_the_digests_and_says_what_is_missing(
    pi: Userland, wheels: Path, tmp_path: Path
) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    (wheel,) = wheels.glob("*-py3-none-any.whl")
    (plain / wheel.name).write_bytes(wheel.read_bytes())

    found = answers(pi, install(pi, plain, tmp_path / "site"))

    assert found["numpy"] == DIGESTS
    assert found["kernel"] == {}
    assert "the C kernel is not installed" in found["missing"]


def test_the_collapsed_graph_gives_the_digests(pi: Userland, site: Path, runtime: Path) -> None:
    found = answers(pi, site, runtime)

    expected = {f"{coding}-{form}": DIGESTS[coding] for coding in ("atf", "radix") for form in ("xnnpack", "builtin")}
    assert found["collapsed"] == expected
