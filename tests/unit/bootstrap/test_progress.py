from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from deploy.bootstrap_progress import CommandFailedError, interruptible, run


def test_a_failure_tells_the_last_lines_and_no_index(tmp_path: Path) -> None:
    code = "print('Looking in indexes: SECRET'); print('no matching version'); raise SystemExit(3)"

    with pytest.raises(
        CommandFailedError, match=r"installing ended with exit code 3; [^$]*no matching version"
    ) as caught:
        run([sys.executable, "-c", code], "installing", cwd=tmp_path)

    assert "SECRET" not in str(caught.value)


def test_a_program_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CommandFailedError, match="does not start"):
        run([str(tmp_path / "nothing")], "installing", cwd=tmp_path)


def test_progress_leaves_standard_output_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run([sys.executable, "-c", "print('detail')"], "installing", cwd=tmp_path)

    out, err = capfd.readouterr()
    assert out == ""
    assert "driftline: installing ..." in err
    assert "driftline: installing: done in 0 s" in err


def test_sigterm_ends_the_command_and_its_children(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, pathlib, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "pathlib.Path('part').write_text(str(child.pid)); pathlib.Path('part').rename('pid')\n"
        "time.sleep(60)"
    )
    pid_file = tmp_path / "pid"

    def terminate() -> None:
        deadline = time.monotonic() + 20
        while not pid_file.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=terminate).start()
    with pytest.raises(KeyboardInterrupt), interruptible():
        run([sys.executable, "-c", code], "installing", cwd=tmp_path)

    assert is_gone(int(pid_file.read_text()))
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def is_gone(pid: int) -> bool:
    """Wait until a process has ended; as an orphan it may stay a zombie for a moment."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        stat = Path(f"/proc/{pid}/stat")
        try:
            if stat.read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False
