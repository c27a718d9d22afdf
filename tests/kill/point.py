"""Where a device is killed: a durable operation of one of its processes, and the side of it.

An operation is named by the process, what it does to which file, and how many times this was done before since the
device was started. A name means the same operation in every run of a scenario, however the two processes interleave.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from types import FrameType
from typing import Literal, NoReturn

from agent.storage import Operation

PLAN = "DRIFTLINE_KILL_PLAN"  # names the file with what the processes of one device have to know
Role = Literal["supervisor", "client"]
Side = Literal["before", "after"]
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One side of one operation."""

    role: Role
    step: str
    path: str
    nth: int
    side: Side

    @property
    def line(self) -> str:
        """The operation as a trace has it."""
        return f"{self.role}\t{self.step}\t{self.path}"

    @property
    def is_piece(self) -> bool:
        """Whether it is a piece of a download, of which a network makes fewer now and then."""
        return self.step == "write" and self.path.startswith("blobs/") and self.path.endswith(".part")

    def is_where(self, trace: Path) -> bool:
        """Whether what was killed there left this trace, and not one that ended before the point or went past it."""
        met = trace.read_text().splitlines().count(self.line)
        return met == self.nth + 1 or (self.is_piece and 0 < met <= self.nth)

    def __str__(self) -> str:
        return f"{self.side} {self.role}'s {self.step} of {_DIGEST.sub(lambda m: m[0][:8], self.path)} #{self.nth}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one start of a device is about: where its operations are written down, and where it ends."""

    trace: Path
    kill_at: Point | None

    def write(self, path: Path) -> None:
        """Leave it for the device's processes."""
        point = None if self.kill_at is None else asdict(self.kill_at)
        path.write_text(json.dumps({"trace": str(self.trace), "kill_at": point}))

    @classmethod
    def read(cls, path: Path) -> Plan:
        """As it was left."""
        found = json.loads(path.read_text())
        return cls(trace=Path(found["trace"]), kill_at=None if found["kill_at"] is None else Point(**found["kill_at"]))


def points_of(trace: Path) -> Iterator[Point]:
    """The points at which the disk differs, in their order: before each operation, and after each whose process rests.

    After an operation the disk is as before the next one of the same process: that would be the same point twice.
    """
    lines = trace.read_text().splitlines()
    count: Counter[str] = Counter()
    for line, following in zip_longest(lines, lines[1:]):
        role, step, path = line.split("\t")
        rests = following is None or following.split("\t")[0] != role
        for side in ("before", "after") if rests else ("before",):
            yield Point(role=role, step=step, path=path, nth=count[line], side=side)  # type: ignore[arg-type]
        count[line] += 1


class Watch:
    """An observer of ``Storage`` that writes down each operation, and kills the device at one of them.

    Args:
        role: Of this process.
        root: Of the storage.
        plan: Of this start.
    """

    def __init__(self, role: Role, root: Path, plan: Plan) -> None:
        self._role = role
        self._root = root
        self._kill_at = plan.kill_at
        self._trace = os.open(plan.trace, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._count = Counter(plan.trace.read_text().splitlines())  # of the processes before this one
        self._done = False

    def __call__(self, operation: Operation) -> None:
        """Called by the storage before each operation."""
        if self._done:
            _kill()
        path = os.path.relpath(operation.path, self._root)  # the directory of the root is synced, too
        line = f"{self._role}\t{operation.step}\t{path}"
        nth = self._count[line]
        self._count[line] += 1
        os.write(self._trace, line.encode() + b"\n")
        at = self._kill_at
        if at is None or (at.role, at.path) != (self._role, path):
            return
        if (at.step, at.nth) == (operation.step, nth):
            if at.side == "before":
                _kill()
            self._kill_after(_operating(sys._getframe(1)))
        elif at.is_piece and operation.step != "write" and 0 < self._count[at.line] <= at.nth:
            _kill()  # it came in fewer pieces than before: after the last one, then

    def _kill_after(self, operating: FrameType) -> None:
        """Kill when the function that carries out the operation returns, or goes on to its next one."""
        self._done = True

        def on_event(frame: FrameType, event: str, _argument: object) -> None:
            if event == "return" and frame is operating:
                _kill()

        sys.setprofile(on_event)


def _operating(frame: FrameType) -> FrameType:
    while frame.f_code.co_name == "_announce" and frame.f_back is not None:
        frame = frame.f_back
    return frame


def _kill() -> NoReturn:
    """SIGKILL to supervisor, update client and workers at once."""
    os.killpg(os.getpgid(0), signal.SIGKILL)
    raise AssertionError("this process is in the group that was killed")
