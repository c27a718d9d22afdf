"""Which steps there are and what each runs. How a step is run is decided in `tests.runner.execute`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.bootstrap import CONSTRAINTS, ROOT, VENV, Environment

PACKAGES = ("edge_models", "converter", "agent", "deploy")
# Steps that run the tests with the marker `runtime` in an environment like a device's.
ENVIRONMENTS = {
    "runtime": Environment(
        VENV.with_name(".venv-tflite-runtime"),
        CONSTRAINTS.with_name("constraints-tflite-runtime.txt"),
        frozenset({"tflite-runtime", "dev"}),
    ),
    "lean": Environment(VENV.with_name(".venv-agent"), CONSTRAINTS, frozenset({"agent", "opencv", "dev"})),
}
# What these run beside: the camera worker wants a real OpenCV, which the usual environment does not have.
BESIDE_CONFORMANCE = {"lean": ("tests/integration/agent_worker/test_camera_worker.py",)}
# Environments that a suite's tests start programs in, while the tests themselves run in the usual one.
PEERS, PEERS_SPIKINGJELLY, PEERS_DRIFT, QAT = (
    Environment(VENV.with_name(f".venv-{extra}"), CONSTRAINTS.with_name(f"constraints-{extra}.txt"), frozenset({extra}))
    for extra in ("peers", "peers-spikingjelly", "peers-drift", "qat")
)
BESIDE = {"qat": (QAT,), "peers": (PEERS, PEERS_SPIKINGJELLY)}
DEFAULT = ("lint", "types", "unit", "architecture", "integration", "runtime")
LONG = ("kill", "soak")  # suites whose tests take longer than the minutes after which a traceback would be shown
OPT_IN = ("kill", "soak", "fuzz", "peers", "emulated", "qat")


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One line of the summary."""

    name: str
    commands: tuple[tuple[str, ...], ...]
    """Arguments after the interpreter, run one after the other."""
    is_pytest: bool = False
    environment: Environment | None = None
    """None is the environment that this runs in."""
    beside: tuple[Environment, ...] = ()
    """More that have to be there."""


def step(name: str, root: Path = ROOT) -> Step:
    """Return the step of that name."""
    if name == "lint":
        return Step(name=name, commands=(("-m", "ruff", "format", "--check", "."), ("-m", "ruff", "check", ".")))
    if name == "types":
        return Step(name=name, commands=(("-m", "mypy"),))
    if name in ENVIRONMENTS:
        marked = ("-m", "pytest", "-m", "runtime", "tests/conformance", *BESIDE_CONFORMANCE.get(name, ()))
        return Step(name=name, commands=(marked,), is_pytest=True, environment=ENVIRONMENTS[name])
    arguments = ["-m", "pytest", f"tests/{name}"]
    if name in LONG:
        arguments += ["-o", "faulthandler_timeout=0"]
    if name == "unit":
        arguments += [folder for folder in ("tests/property", "tests/conformance") if (root / folder).is_dir()]
        arguments += ["--doctest-modules", *doctested(root)]
    return Step(name=name, commands=(tuple(arguments),), is_pytest=True, beside=BESIDE.get(name, ()))


def doctested(root: Path = ROOT) -> list[str]:
    """List the modules that hold examples: to collect the others would import all of TensorFlow for nothing."""
    found = (path for package in PACKAGES for path in sorted((root / package).rglob("*.py")))
    return [str(path.relative_to(root)) for path in found if ">>> " in path.read_text(encoding="utf-8")]


def expand(names: Iterable[str], root: Path = ROOT) -> Iterator[str]:
    """Yield the names of the steps for what was asked: nothing means the default, `all` adds the suites there are."""
    for name in list(names) or ["default"]:
        if name == "default":
            yield from DEFAULT
        elif name == "all":
            yield from DEFAULT
            yield "lean"
            yield from (suite for suite in OPT_IN if (root / "tests" / suite).is_dir())
        else:
            yield name
