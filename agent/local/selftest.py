"""``driftline-agent selftest``: are the model's files what was signed, and does it still give its golden outputs?

It works in children of its own, as the checks before an update do, so it neither disturbs the running agent nor needs
one. What the model does on live input is in ``status`` and ``why``.
"""

from __future__ import annotations

import json
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from agent import ipc
from agent.config import AgentConfig
from agent.core.records import ACTIVE_FILE, BUNDLES_DIR, ActiveRecord
from agent.errors import ChildError, IpcError
from agent.inventory import pinned, take_inventory
from agent.local.disk import read_record
from agent.process import WorkerProcess
from edge_models.manifest import short

TIMEOUT_S = 600.0  # hashing half a gigabyte from an old SD card


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What.
        ok: Whether it is as it must be.
        found: One sentence.
    """

    name: str
    ok: bool
    found: str


def selftest(config: AgentConfig) -> list[Check]:
    """Look at the active bundle: its files, then its golden inputs.

    Raises:
        LocalError: The state directory cannot be read.
    """
    active = read_record(Path(config.state_dir) / ACTIVE_FILE, ActiveRecord)
    if active is None:
        return [Check(name="model", ok=False, found=f"no model is installed under {config.state_dir}")]
    directory = Path(config.state_dir) / BUNDLES_DIR / active.bundle
    checks = [Check(name="model", ok=True, found=f"{active.version or short(active.bundle)}, {active.artifact}")]
    checks.append(_files(config, directory, active))
    if checks[-1].ok:  # nothing loads what is not what was signed
        checks.append(_golden(config, directory, active))
    return checks


def _files(config: AgentConfig, directory: Path, active: ActiveRecord) -> Check:
    try:
        runtimes = pinned(take_inventory().runtimes)
        command = [sys.executable, "-m", "agent.verify", str(directory), active.bundle, config.model, active.artifact]
        run = subprocess.run(
            [*command, *runtimes], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=TIMEOUT_S, check=True
        )
        answer = json.loads(run.stdout)
    except (OSError, subprocess.SubprocessError, ValueError, ChildError) as exc:
        return Check(name="files", ok=False, found=f"cannot be checked: {exc}")
    if answer.get("event") != "verified":
        return Check(name="files", ok=False, found=str(answer.get("message")))
    return Check(name="files", ok=True, found=f"every file is what its manifest says, serial {answer['serial']}")


def _golden(config: AgentConfig, directory: Path, active: ActiveRecord) -> Check:
    timeout_s = 120.0 if config.update is None else config.update.self_test_timeout_s
    configure = ipc.Configure(
        role="candidate", bundle_dir=str(directory), bundle=active.bundle, artifact=active.artifact
    )
    try:
        process = WorkerProcess(configure)
    except ChildError as exc:
        return Check(name="golden", ok=False, found=str(exc))
    try:
        said = _first_verdict(process, time.monotonic() + timeout_s)
    except IpcError as exc:
        said = str(exc)
    how = process.end()
    match said:
        case ipc.SelfTest(ok=True):
            words = (
                f"same outputs within {said.worst_lsb} codes, top-1 {said.top1:.1%}, p50 {said.p50_us / 1000:.3g} ms"
            )
            return Check(name="golden", ok=True, found=words)
        case ipc.SelfTest() | str():
            return Check(name="golden", ok=False, found=said if isinstance(said, str) else said.reason)
        case None:
            return Check(name="golden", ok=False, found=f"the child ended without a verdict ({how})")


def _first_verdict(process: WorkerProcess, until_s: float) -> ipc.SelfTest | str | None:
    """What the child says of the golden inputs, or why it cannot; None when it ends without a word."""
    poll = select.poll()
    poll.register(process, select.POLLIN)
    is_open = True
    while is_open:
        left_s = until_s - time.monotonic()
        if left_s <= 0:
            return "the child gave no verdict in time"
        poll.poll(1000 * left_s)
        messages, is_open = process.receive()
        for message, _ in messages:
            if isinstance(message, ipc.SelfTest):
                return message
            if isinstance(message, ipc.Failed):
                return message.message
    return None
