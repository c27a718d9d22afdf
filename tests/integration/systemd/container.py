"""systemd as PID 1 in a container of this machine's own root: everything is there, and nothing that changes stays.

The root is bound into a mount namespace of its own and covered with an overlay in memory: a test that is killed leaves
neither mounts nor files.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[3]
UNIT = ROOT / "deploy/systemd/driftline-agent@.service"
USERS = ROOT / "deploy/systemd/driftline.sysusers.conf"
INSIDE = "/srv/driftline-test"  # where the test's directory is in the container
PROJECT = "/srv/driftline-project"  # and the project: the unit has a /tmp of its own, where a clone may lie
PATIENCE_S = 60.0
PROPERTIES = ("MainPID", "ActiveState", "SubState", "StatusText", "NRestarts", "Result", "ExecMainStatus")

# What differs from a device: where Python lies, and that a test does not wait a minute.
DROP_IN = """\
[Service]
ProtectHome=tmpfs
BindReadOnlyPaths={paths}
WatchdogSec=4
RestartSec=200ms
TimeoutAbortSec=1
"""

# Another instance of the unit, in the same sandbox, that looks at the first one's model and ends.
SELFTEST = """\
[Service]
Type=oneshot
Restart=no
WatchdogSec=0
ExecStart=
ExecStart=/opt/driftline/bin/driftline-agent selftest -c /etc/driftline/pi7.yaml
"""


def reason_to_skip() -> str | None:
    """Why systemd cannot be started here, or None."""
    missing = [name for name in ("systemd-nspawn", "unshare", "nsenter") if shutil.which(name) is None]
    if missing:
        return f"{', '.join(missing)} not installed (Debian: systemd-container)"
    if not Path("/usr/lib/systemd/systemd").exists():
        return "there is no systemd on this machine"
    if os.geteuid() != 0:
        return "only root may start a container"
    tried = subprocess.run(
        ["unshare", "-m", "--propagation", "private", "true"], capture_output=True, text=True, check=False
    )
    return None if tried.returncode == 0 else f"no mount namespace: {tried.stderr.strip()}"


class BootError(Exception):
    """systemd does not come up here, which says nothing about the unit."""


class Container:
    """A booted system."""

    def __init__(self, init: psutil.Process) -> None:
        self._enter = ["nsenter", "-t", str(init.pid), "-m", "-u", "-i", "-n", "-p"]

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command inside."""
        ran = subprocess.run(
            [*self._enter, *command], capture_output=True, text=True, check=False, timeout=PATIENCE_S, cwd="/"
        )
        assert not check or ran.returncode == 0, f"{command}: {ran.stdout}{ran.stderr}\n{self.journal()}"
        return ran

    def shows(self, unit: str) -> dict[str, str]:
        """What systemd says of a unit."""
        shown = self.run("systemctl", "show", unit, f"--property={','.join(PROPERTIES)}")
        return dict(line.split("=", 1) for line in shown.stdout.splitlines())

    def wait_until(self, unit: str, accept: Callable[[dict[str, str]], bool], what: str) -> dict[str, str]:
        """Wait until what systemd says of a unit is accepted."""
        until_s = time.monotonic() + PATIENCE_S
        while not accept(shown := self.shows(unit)):
            assert time.monotonic() < until_s, f"waited for {what}: {shown}\n{self.journal()}"
            time.sleep(0.1)
        return shown

    def journal(self) -> str:
        """The last lines of the log."""
        return subprocess.run(
            [*self._enter, "journalctl", "--no-pager", "-n", "40"], capture_output=True, text=True, check=False
        ).stdout


@contextlib.contextmanager
def booted(directory: Path) -> Iterator[Container]:
    """Boot; ``directory`` is readable inside as INSIDE, and its ``etc`` is /etc/driftline.

    Raises:
        BootError: This machine does not let systemd come up.
    """
    root = directory / "root"
    root.mkdir()
    program = directory / "bin"
    program.mkdir()
    (program / "driftline-agent").write_text(
        f'#!/bin/sh\ncd {PROJECT} && exec {_inside(sys.executable)} -m agent "$@"\n'
    )
    (program / "driftline-agent").chmod(0o755)
    drop_in = directory / "test.conf"
    drop_in.write_text(DROP_IN.format(paths=" ".join({sys.base_prefix, _inside(sys.prefix), PROJECT})))
    selftest = directory / "selftest.conf"
    selftest.write_text(SELFTEST)
    for path in [directory, *directory.rglob("*")]:
        path.chmod(0o755 if path.is_dir() or path.parent == program else 0o644)
    binds = {
        UNIT: f"/etc/systemd/system/{UNIT.name}",
        drop_in: f"/etc/systemd/system/{UNIT.name}.d/test.conf",
        selftest: "/etc/systemd/system/driftline-agent@selftest.service.d/selftest.conf",
        USERS: "/etc/sysusers.d/driftline.conf",
        program: "/opt/driftline/bin",
        directory: INSIDE,
        ROOT: PROJECT,
        directory / "etc": "/etc/driftline",
    }
    nspawn = ["systemd-nspawn", "--quiet", "-D", str(root), "--volatile=overlay", "--boot", "--keep-unit"]
    nspawn += ["--register=no", "--console=pipe", "--link-journal=no"]
    nspawn += [f"--bind-ro={source}:{target}" for source, target in binds.items()]
    script = f'mount --bind / {root} && exec "$@"'
    command = ["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh", *nspawn]
    with (directory / "boot.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--", "systemd.unit=basic.target"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        yield _ready(process, directory / "boot.log")
    finally:
        process.terminate()  # nspawn shuts the system down in order
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()


def _inside(path: str) -> str:
    """Where a path of this machine is in the container: the environment may lie in the project."""
    return path.replace(str(ROOT), PROJECT, 1) if Path(path).is_relative_to(ROOT) else path


def _ready(process: subprocess.Popen[bytes], log: Path) -> Container:
    until_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < until_s and process.poll() is None:
        for child in _children(process.pid):
            container = Container(child)
            state = container.run("systemctl", "is-system-running", check=False).stdout.strip()
            if state in {"running", "degraded"}:
                container.run("systemd-sysusers", "/etc/sysusers.d/driftline.conf")
                return container
        time.sleep(0.1)
    raise BootError(f"systemd does not boot here: {' '.join(log.read_text().split())[-300:]}")


def _children(pid: int) -> list[psutil.Process]:
    try:
        return list(psutil.Process(pid).children())
    except psutil.NoSuchProcess:
        return []
