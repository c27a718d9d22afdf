"""Userlands of Debian for the processors of a Raspberry Pi, and programs run in them by qemu-user.

No root, no chroot, no binfmt: apt fetches the packages into folders of its own, they are only unpacked, and qemu's -L
shows them to the emulated program in the place of the machine's own files. So Python and numpy are those that a Pi has.
Needs a Debian with apt; kept in `.driftline/emulated`, some 250 MB.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_TIMEOUT_S = 280
_DONE = "complete"


class UserlandError(Exception):
    """A userland cannot be made here; the text says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pi:
    """One kind of Pi: Debian's name of its userland, qemu's of processor and model, the wheel's of the machine."""

    name: str
    qemu: str
    cpu: str
    machine: str


PIS = (
    Pi(name="arm64", qemu="qemu-aarch64-static", cpu="cortex-a72", machine="aarch64"),  # Pi 4
    Pi(name="armhf", qemu="qemu-arm-static", cpu="cortex-a7", machine="armv7l"),  # Pi 2, the oldest with the kernel
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Userland:
    """An unpacked Debian and the emulator for it."""

    pi: Pi
    root: Path
    emulator: Path

    def run(self, *command: str | Path, python_path: Sequence[Path] = ()) -> str:
        """Run a program of the userland and return its output.

        Raises:
            subprocess.CalledProcessError: It failed; its output is in the message of pytest.
        """
        settings = {key: value for key, value in os.environ.items() if key.startswith(("PIP_", "HOME", "SSL_"))}
        environment = {
            **settings,
            "QEMU_CPU": self.pi.cpu,
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": os.pathsep.join(map(str, python_path)),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        done = subprocess.run(
            [str(self.emulator), "-L", str(self.root), *map(str, command)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            print(done.stdout, done.stderr, sep="\n")
            done.check_returncode()
        return done.stdout

    def python(self, *arguments: str | Path, python_path: Sequence[Path] = ()) -> str:
        """Run the userland's Python."""
        return self.run(self.root / "usr/bin/python3", *arguments, python_path=python_path)


def make_userland(pi: Pi, folder: Path) -> Userland:
    """The userland of a Pi below ``folder``, made if it is not there yet.

    Raises:
        UserlandError: This machine has no apt, or it cannot fetch.
    """
    for tool in ("apt-get", "dpkg-deb", "tar"):
        if shutil.which(tool) is None:
            raise UserlandError(f"{tool} is not here: emulated Pis are made of Debian's packages, on a Debian")
    emulators = _tree(folder / "qemu", None, ("qemu-user-static",), is_closed=False)
    root = _tree(folder / pi.name, pi.name, ("python3-pip", "python3-numpy", "libstdc++6"), is_closed=True)
    for library in ("blas/libblas.so.3", "lapack/liblapack.so.3"):  # what update-alternatives would link
        for path in root.glob(f"usr/lib/*/{library}"):
            link = path.parent.parent / path.name
            if not link.exists():
                link.symlink_to(path.relative_to(link.parent))
    return Userland(pi=pi, root=root, emulator=emulators / "usr/bin" / pi.qemu)


def _tree(folder: Path, architecture: str | None, packages: Sequence[str], *, is_closed: bool) -> Path:
    """Packages unpacked below ``folder``: with all that they depend on, or alone."""
    root = folder / "root"
    done, wanted = folder / _DONE, " ".join(packages)
    if done.exists() and done.read_text() == wanted:
        return root
    shutil.rmtree(folder, ignore_errors=True)
    archives = folder / "archives"
    (archives / "partial").mkdir(parents=True)
    if is_closed:
        _fetch(folder, architecture or "", packages)
    else:
        _call(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *packages], cwd=archives)
    _unpack(sorted(archives.glob("*.deb")), root)
    shutil.rmtree(archives)
    done.write_text(wanted)
    return root


def _fetch(folder: Path, architecture: str, packages: Sequence[str]) -> None:
    """Download packages of another architecture and all that they need, as if nothing were installed."""
    (folder / "lists/partial").mkdir(parents=True)
    (folder / "status").touch()
    settings = {
        "Dir::State": folder,
        "Dir::State::lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder,
        "Dir::Cache::archives": folder / "archives",
        "APT::Architecture": architecture,
        "APT::Architectures::": architecture,
        "APT::Install-Recommends": 0,
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Debug::NoLocking": 1,
    }
    options = [part for key, value in settings.items() for part in ("-o", f"{key}={value}")]
    # Fails for a source without this architecture, or out of step; the next command tells whether that matters.
    subprocess.run(["apt-get", *options, "-qq", "update"], capture_output=True, check=False, timeout=_TIMEOUT_S)
    _call(["apt-get", *options, "-qq", "-y", "--download-only", "install", *packages], cwd=folder)


def _unpack(packages: Sequence[Path], root: Path) -> None:
    for name in ("bin", "sbin", "lib"):  # merged /usr, which installing a Debian begins with
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(Path("usr") / name)
    for package in packages:
        content = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(package)], capture_output=True, check=True).stdout
        command = ["tar", "-x", "--keep-directory-symlink", "--no-same-owner", "--exclude=./dev", "-C", str(root)]
        subprocess.run(command, input=content, check=True, capture_output=True)


def _call(command: Sequence[str], *, cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)
    if done.returncode != 0:
        raise UserlandError(f"{command[0]} for {cwd.name} failed: {done.stderr.strip()[-300:]}")
