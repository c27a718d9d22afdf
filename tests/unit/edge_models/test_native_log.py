"""Only the notes of native code are dropped; what it says while it dies is not."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.architecture.tree import ROOT

PRELUDE = """
import ctypes, faulthandler, os, signal, sys
from edge_models.engines.native_log import without_notes

libc = ctypes.CDLL(None)

def say(text):
    libc.fputs(text, ctypes.c_void_p.in_dll(libc, "stderr"))

"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PRELUDE + code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="C's stderr is replaced on glibc only")


def test_only_notes_are_dropped_and_only_meanwhile() -> None:
    ended = run(
        "say(b'INFO: before\\n')\n"
        "with without_notes():\n"
        "    for part in (b'INFO: ', b'Created a delegate', b'.\\n', b'WARNING: odd\\nINFO: again\\nERROR: bad\\n'):\n"
        "        say(part)\n"
        "    print('INFO: from Python', file=sys.stderr)\n"
        "    say(b'no newline')\n"
        "say(b'\\nINFO: after\\n')\n"
    )

    assert ended.returncode == 0
    assert ended.stderr.splitlines() == [
        "INFO: before",
        "WARNING: odd",
        "ERROR: bad",
        "INFO: from Python",
        "no newline",
        "INFO: after",
    ]


def test_last_words_of_a_crash_are_kept() -> None:
    ended = run(
        "faulthandler.enable()\n"
        "with without_notes():\n"
        "    say(b'INFO: all is well\\n')\n"
        "    say(b'FATAL: it is not\\n')\n"
        "    os.kill(os.getpid(), signal.SIGSEGV)\n"
    )

    assert ended.returncode < 0
    lines = ended.stderr.splitlines()
    assert lines[0] == "FATAL: it is not"
    assert lines[1].startswith("Fatal Python error: Segmentation fault")


def test_a_closed_stderr_is_no_error() -> None:
    ended = run("os.close(2)\nwith without_notes():\n    say(b'WARNING: nobody hears it\\n')\nprint('done')\n")

    assert (ended.returncode, ended.stdout) == (0, "done\n")


def test_a_process_in_which_no_code_may_be_made_goes_on_with_the_notes() -> None:
    ended = run(
        "from edge_models.engines import native_log\n"
        "def refuse(_): raise MemoryError\n"
        "native_log._PASS_ON = native_log._callback(refuse)\n"
        "with without_notes():\n"
        "    say(b'INFO: meanwhile\\n')\n"
    )

    assert (ended.returncode, ended.stderr) == (0, "INFO: meanwhile\n")
