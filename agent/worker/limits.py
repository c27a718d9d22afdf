"""What a worker may take of the machine, asked of the kernel before it sees a model.

A candidate's model is not known to be good: it may end its process, fill memory or loop for ever. It gets a bound on
address space, on private memory, on the time that loading and golden inputs may take of the processor, no core dumps
and no files. The active worker has none of these but the bound on memory of agent.yaml. Neither can gain privileges.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from pathlib import Path

ADDRESS_SPACE_BYTES = 2 << 30  # a worker with a runtime maps about 0.7 GB, most of it never touched
PROVING_CPU_S = 120  # of the processor, to load the model and run the golden inputs
CANDIDATE_NICENESS = 10
_PR_SET_NO_NEW_PRIVS = 38  # linux/prctl.h
_STATUS = Path("/proc/self/status")
_OOM_SCORE = Path("/proc/self/oom_score_adj")
_EXPENDABLE = {"active": 300, "candidate": 900}  # which process the kernel ends first when memory runs out


def limit_candidate(memory_mb: float | None) -> None:
    """Bound this process before it opens a candidate's files; only the active model's leavings of the processor."""
    os.nice(CANDIDATE_NICENESS)
    _common("candidate")
    _lower(resource.RLIMIT_AS, ADDRESS_SPACE_BYTES)
    _lower(resource.RLIMIT_FSIZE, 0)  # Python ignores SIGXFSZ: a write to a file fails, those to pipes and sockets pass
    _lower_soft(resource.RLIMIT_CPU, _cpu_s() + PROVING_CPU_S)
    bound_memory(memory_mb)


def proven() -> None:
    """The golden inputs have been run: from here on it may run for as long as the comparison takes."""
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (hard, hard))


def limit_active(memory_mb: float | None) -> None:
    """Bound this process before it opens the model in charge."""
    _common("active")
    bound_memory(memory_mb)


def bound_memory(memory_mb: float | None) -> None:
    """Let private memory grow by so much from here on; more is refused by the kernel, whoever asks for it."""
    if memory_mb is not None and sys.platform == "linux":
        _lower(resource.RLIMIT_DATA, _data_bytes() + int(memory_mb * (1 << 20)))


def _common(role: str) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        try:
            _OOM_SCORE.write_text(str(_EXPENDABLE[role]), encoding="ascii")
        except OSError:
            return  # a sandbox may hide it: only the order of ending differs


def _lower(what: int, bound: int) -> None:
    """Set both limits, unless they are lower already."""
    soft, hard = resource.getrlimit(what)
    new = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
    if soft == resource.RLIM_INFINITY or soft > new:
        resource.setrlimit(what, (new, new))


def _lower_soft(what: int, bound: int) -> None:
    soft, hard = resource.getrlimit(what)
    if soft == resource.RLIM_INFINITY or soft > bound:
        resource.setrlimit(what, (bound, hard))


def _cpu_s() -> int:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return int(used.ru_utime + used.ru_stime) + 1


def _data_bytes() -> int:
    """Private writable memory that is mapped now; RLIMIT_DATA counts just that (Linux 4.7 on)."""
    lines = _STATUS.read_text(encoding="ascii", errors="replace").splitlines()
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmData:")), 0)
