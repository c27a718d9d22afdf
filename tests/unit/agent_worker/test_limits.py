"""What a worker asks of the kernel, seen in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from agent.worker.limits import PROVING_CPU_S

PROGRAM = """
import json, resource, sys
from agent.worker import limits
{asked}
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
def refused(what):
    try:
        what()
    except (MemoryError, OSError) as exc:
        return type(exc).__name__
def write():
    with open(sys.argv[1], "wb", buffering=0) as file:
        file.write(b"x")
print(json.dumps({{
    "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
    "cpu": resource.getrlimit(resource.RLIMIT_CPU)[0],
    "space": resource.getrlimit(resource.RLIMIT_AS)[0],
    "privileges": status["NoNewPrivs"].strip(),
    "write": refused(write),
    "memory": refused(lambda: bytearray(64 << 20)),
    "score": open("/proc/self/oom_score_adj").read().strip(),
}}))
"""


def seen(asked: str, path: Path) -> dict[str, object]:
    program = PROGRAM.format(asked=asked)
    run = subprocess.run(
        [sys.executable, "-c", program, str(path / "file")], capture_output=True, text=True, timeout=20, check=True
    )
    found = json.loads(run.stdout)
    assert isinstance(found, dict)
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
def test_candidate_has_bounds_on_memory_processor_files_and_privileges(tmp_path: Path) -> None:
    found = seen("limits.limit_candidate(32)", tmp_path)

    assert found["space"] == 2 << 30
    assert found["core"] == 0
    assert 0 < int(str(found["cpu"])) <= PROVING_CPU_S + 2
    assert found["privileges"] == "1"
    assert found["write"] == "OSError"
    assert found["memory"] == "MemoryError"


@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
def test_a_proven_candidate_may_run_for_as_long_as_it_takes(tmp_path: Path) -> None:
    assert seen("limits.limit_candidate(None); limits.proven()", tmp_path)["cpu"] == -1


@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
def test_active_worker_is_bounded_in_memory_only_where_agent_yaml_says_so(tmp_path: Path) -> None:
    bounded, free = seen("limits.limit_active(32)", tmp_path), seen("limits.limit_active(None)", tmp_path)

    assert (bounded["memory"], free["memory"]) == ("MemoryError", None)
    assert (bounded["write"], free["write"]) == (None, None)
    assert (free["core"], free["privileges"], free["cpu"]) == (0, "1", -1)
