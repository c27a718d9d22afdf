"""Makes the environment that a command needs, then runs the command inside it.

A fresh machine has Python and pip, nothing else, so this file uses the standard library alone, and it has to parse
under Pythons that are too old, to be able to say so. It decides when an environment is complete (its stamp names the
digest of pyproject.toml and of the constraints, and the extras inside) and repairs one that was left half-made. What
is installed is decided by pyproject.toml and the constraints file; how progress looks, by `deploy.bootstrap_progress`.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.machinery
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from deploy.bootstrap_kernel import SOURCE as KERNEL
from deploy.bootstrap_kernel import build_kernel, compiler_extra
from deploy.bootstrap_progress import CommandFailedError, interruptible, run, say

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
CONSTRAINTS = ROOT / "constraints.txt"

OLDEST_PYTHON = (3, 11)
STAMP = "driftline-stamp.json"
BUILDING = "driftline-incomplete"  # there from before the first byte until after the stamp
STAMP_FORMAT = 1

# Modules whose presence tells that an extra is installed: they are looked for, never imported, to find out.
MODULES = {
    "agent": (
        *("ai_edge_litert", "cryptography", "numpy", "paho", "river", "securesystemslib", "tenacity", "tuf", "yaml"),
    ),
    "tflite-runtime": (
        *("cryptography", "numpy", "paho", "river", "securesystemslib", "tenacity", "tflite_runtime", "tuf", "yaml"),
    ),
    "opencv": ("cv2",),
    "converter": ("PIL", "ai_edge_litert", "mlxtend", "nir", "numpy", "rich", "sklearn", "tensorflow", "yaml"),
    "deploy": (
        *("alembic", "cryptography", "iotcore", "numpy", "paho", "rich", "securesystemslib", "sqlalchemy"),
        *("stamina", "starlette", "tuf", "uvicorn", "yaml"),
    ),
    "qat": ("numpy", "tensorflow", "tensorflow_model_optimization", "tf_keras", "yaml"),
    "peers": ("ai_edge_litert", "nir", "norse", "numpy", "sinabs", "snntorch", "spikingjelly", "torch"),
    "peers-spikingjelly": ("nir", "nirtorch", "numpy", "spikingjelly", "torch"),
    "peers-drift": ("alibi_detect", "frouros", "numpy", "torch"),
    "wheels": ("build", "setuptools", "wheel", "ziglang"),
    "dev": ("hypothesis", "importlinter", "jsonschema", "mypy", "psutil", "pytest", "pytest_timeout", "ruff"),
}
MODULES["demo"] = MODULES["agent"] + MODULES["converter"] + MODULES["deploy"]


class BootstrapError(Exception):
    """The environment cannot be made; the message says what the user can do."""


@dataclass(frozen=True)
class Environment:
    """One environment of the project: where it is and what belongs inside."""

    venv: Path
    constraints: Path
    extras: frozenset[str]

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self.constraints.parent

    @property
    def python(self) -> Path:
        """The interpreter inside."""
        return self.venv / "bin" / "python"

    def digest(self) -> str:
        """Name the state of everything that decides what is installed."""
        state = hashlib.sha256(f"{STAMP_FORMAT} {sys.version_info[:2]}".encode())
        for path in (self.root / "pyproject.toml", self.constraints, self.root / KERNEL):
            if path.exists():
                state.update(hashlib.sha256(path.read_bytes()).digest())
        return state.hexdigest()


Install = Callable[[Environment, Iterable[str], int], None]


def ensure(extras: Sequence[str], *, venv: Path = VENV, constraints: Path = CONSTRAINTS, argv: Sequence[str]) -> None:
    """Return when this process has the extras; otherwise make the environment and start `argv` again inside it.

    An environment of the user's own that has all packages is used as it is. The process ends with exit code 2 and one
    message when the environment cannot be made, and with 130 when it is interrupted.

    Args:
        extras: names from `[project.optional-dependencies]`.
        venv: the environment's folder, made if missing.
        constraints: the file with the pinned versions, in the project's folder.
        argv: the arguments that start this program again, such as `["-m", "tests", "lint"]`.
    """
    environment = Environment(venv, constraints, frozenset(extras))
    managed = Path(sys.prefix).resolve() == venv.resolve() and (venv / STAMP).exists()
    if not managed and sys.version_info >= OLDEST_PYTHON and not any(missing_modules(extras)):
        return
    try:
        changed = prepare(environment)
    except BootstrapError as exc:
        say(str(exc))
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        say("interrupted; the next run repairs what is half-made")
        raise SystemExit(130) from None
    if managed and not changed:
        return
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(environment.python, [str(environment.python), *argv])  # noqa: S606 - no shell is wanted


def prepare(environment: Environment, install: Install | None = None) -> bool:
    """Make or mend an environment, if it needs it.

    Args:
        environment: what to make.
        install: puts the packages of some extras into it; tests bring their own.

    Returns:
        Whether anything was installed.

    Raises:
        BootstrapError: it cannot be made.
    """
    if sys.version_info < OLDEST_PYTHON:
        raise BootstrapError(
            "Python {}.{} or newer is needed, and {} is {}.{}.{}: start this with a newer one".format(
                *OLDEST_PYTHON, sys.executable, *sys.version_info[:3]
            )
        )
    if not (environment.root / "pyproject.toml").is_file() or not environment.constraints.is_file():
        raise BootstrapError(
            f"packages are missing ({', '.join(missing_modules(environment.extras))}) and {environment.root} is no "
            f"checkout that could set itself up: pip install 'driftline[{','.join(sorted(environment.extras))}]'"
        )
    try:
        if is_complete(environment):
            return False
        with _locked(environment.venv) as lock, interruptible():
            if is_complete(environment):  # another run finished it while this one waited
                return True
            _make(environment, install or _install, lock)
    except CommandFailedError as exc:
        raise BootstrapError(f"setting up {environment.venv.name} failed: {exc}") from exc
    except OSError as exc:
        raise BootstrapError(f"setting up {environment.venv.name} failed: {exc}") from exc
    return True


def is_complete(environment: Environment) -> bool:
    """Tell whether the stamp fits the project's files, the place and the extras, and the packages are still there."""
    stamp = _read_stamp(environment.venv)
    packages = environment.venv / "lib" / "python{}.{}".format(*sys.version_info) / "site-packages"
    return (
        stamp.get("digest") == environment.digest()
        and stamp.get("venv") == str(environment.venv)
        and environment.extras <= set(stamp.get("extras", ()))
        and os.access(environment.python, os.X_OK)
        and not (environment.venv / BUILDING).exists()
        # `uv sync` takes out of a .venv what it was not asked for.
        and not any(missing_modules(environment.extras, [str(packages)]))
    )


def missing_modules(extras: Iterable[str], path: Sequence[str] | None = None) -> Iterator[str]:
    """Yield the modules of the extras that are not found on a path, by default this interpreter's."""
    for name in sorted({module for extra in extras for module in MODULES.get(extra, ())}):
        if importlib.machinery.PathFinder.find_spec(name, path) is None:
            yield name


def _make(environment: Environment, install: Install, lock: int) -> None:
    venv = environment.venv
    stamp = _read_stamp(venv)
    building = venv / BUILDING
    # A folder that somebody else made is never removed, only installed into.
    made_here = building.read_text() == "made here" if building.exists() else stamp.get("made_here", not venv.exists())
    moved = stamp.get("venv", str(venv)) != str(venv)
    if made_here and venv.exists() and (building.exists() or moved or not os.access(environment.python, os.X_OK)):
        say(f"{venv.name} is half-made or was moved: making it anew")
        shutil.rmtree(venv)
    venv.mkdir(parents=True, exist_ok=True)
    building.write_text("made here" if made_here else "adopted")
    if not environment.python.exists():
        # Without pip: ensurepip takes longer than all the rest of venv, and uv does not need it.
        run([_base_python(), "-m", "venv", "--without-pip", str(venv)], f"making {venv.name}", cwd=environment.root)
    extras = environment.extras | set(stamp.get("extras", ()))
    install(environment, sorted(extras), lock)
    record = {
        "digest": environment.digest(),
        "extras": sorted(extras),
        "made_here": made_here,
        "venv": str(venv),
    }
    (venv / STAMP).write_text(
        json.dumps(record)
    )  # torn by a crash, it reads as no stamp, and `BUILDING` is still there
    building.unlink()


def _install(environment: Environment, extras: Iterable[str], lock: int) -> None:
    """Install the project, editable, with its extras at the pinned versions, and compile its kernel."""
    extras = [*extras, *compiler_extra(extras)]
    _install_packages(environment, extras, lock)
    build_kernel(environment.python, environment.root, [lock])


def _install_packages(environment: Environment, extras: Iterable[str], lock: int) -> None:
    """Install by uv when it is there, else by pip."""
    what = f"installing {', '.join(extras)} into {environment.venv.name}"
    target = ["--constraint", str(environment.constraints), "--editable", f".[{','.join(extras)}]"]
    uv = shutil.which("uv")
    if uv is not None:
        try:
            # As pip does by itself: importing TensorFlow from source takes 4 s longer, each time.
            command = [uv, "pip", "install", "--compile-bytecode", "--python", str(environment.python), *target]
            run(command, f"{what} (uv)", cwd=environment.root, keep_open=[lock])
        except CommandFailedError as exc:  # uv does not read pip's configuration: an index may be known to pip only
            say(f"{exc}\ndriftline: trying pip instead")
        else:
            return
    command = [*_pip(environment), "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    run([*command, *target], what, cwd=environment.root, keep_open=[lock])


def _pip(environment: Environment) -> list[str]:
    """Return the command of a pip that installs into the environment."""
    inside = [str(environment.python), "-m", "pip"]
    if _works([*inside, "--version"]):
        return inside
    if _works([_base_python(), "-c", "import ensurepip"]):
        run(
            [str(environment.python), "-m", "ensurepip"], f"adding pip to {environment.venv.name}", cwd=environment.root
        )
        return inside
    outside = [_base_python(), "-m", "pip", "--python", str(environment.python)]  # pip 22.3 and newer
    if _works([*outside, "--version"]):
        return outside
    raise CommandFailedError(
        f"{_base_python()} has neither ensurepip nor a pip that knows --python: "
        "install them (Debian: apt install python3-venv python3-pip) or uv"
    )


def _works(command: Sequence[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL).returncode == 0


def _base_python() -> str:
    """Return the interpreter below any environment that this process runs in: that one may be about to be removed."""
    return str(getattr(sys, "_base_executable", sys.executable))


def _read_stamp(venv: Path) -> dict[str, Any]:
    try:
        stamp = json.loads((venv / STAMP).read_text())
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


@contextmanager
def _locked(venv: Path) -> Iterator[int]:
    """Hold the environment's lock. The installer inherits it, so it is held until that has ended, too."""
    path = venv.with_name(f"{venv.name}.lock")
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another run is setting up {venv.name}: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()
