"""``driftline-agent status|why|selftest|rollback|hold|wipe-samples``: what is asked, and what is printed."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

from agent.config import AgentConfig, load_config
from agent.explain.wording import duration
from agent.local.address import socket_path
from agent.local.arguments import CONFIG_DIR
from agent.local.client import ask
from agent.local.disk import why_on_disk
from agent.local.errors import LocalError, NotRunningError
from agent.local.messages import Answer, Request
from agent.local.text import status_text, why_text
from edge_models.fields import encode
from edge_models.wire.results import remedy
from edge_models.wire.topics import CommandVerb
from edge_models.wire.values import Scalar

DONE, REFUSED, NOT_RUNNING = 0, 1, 3  # 3 is what LSB and systemctl give a service that does not run
_SAID = {
    CommandVerb.ROLLBACK: "going back to the model before; `driftline-agent status` tells how it goes",
    CommandVerb.SAMPLES: "kept samples and those that wait to be sent are gone",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What to print, and the exit code."""

    text: str
    code: int = DONE


def run(arguments: argparse.Namespace) -> Told:
    """Do what the arguments say.

    Raises:
        AgentError: They cannot be used, or the agent cannot be asked.
    """
    name = arguments.command
    if name == "selftest":
        return _selftest(_config(arguments.config), as_json=arguments.json)
    if arguments.socket is not None and arguments.config is not None:
        raise LocalError(f"{name}: found --config {arguments.config} and --socket, expected one of them")
    config = None if arguments.socket is not None else _config(arguments.config)
    path: Path = arguments.socket if config is None else socket_path(config)
    try:
        answer = ask(path, _request(arguments))
    except NotRunningError as exc:
        if name == "why" and config is not None:
            return _why_on_disk(config, exc, as_json=arguments.json)
        return (
            Told(text=json.dumps({"ok": False, "code": "not_running", "message": str(exc)}), code=NOT_RUNNING)
            if (arguments.json)
            else Told(text=str(exc), code=NOT_RUNNING)
        )
    return _told(arguments, answer)


def _request(arguments: argparse.Namespace) -> Request:
    match arguments.command:
        case "status":
            return Request(do="status")
        case "why":
            return Request(do="why")
        case "rollback":
            return Request(do="command", verb=CommandVerb.ROLLBACK)
        case "wipe-samples":
            return Request(do="command", verb=CommandVerb.SAMPLES, args={"do": "wipe"})
        case _:
            args: dict[str, Scalar] = {"on": not arguments.off}
            if arguments.for_s is not None:
                args["for_s"] = arguments.for_s
            return Request(do="command", verb=CommandVerb.HOLD, args=args)


def _told(arguments: argparse.Namespace, answer: Answer) -> Told:
    code = DONE if answer.ok else REFUSED
    body = answer.status or answer.why
    if arguments.json:
        outcome = {"ok": answer.ok, "code": answer.code, "message": answer.message, "remedy": _remedy(answer)}
        return Told(text=json.dumps(outcome if body is None else encode(body), allow_nan=False), code=code)
    if not answer.ok:
        advice = _remedy(answer)
        return Told(text=f"not done: {answer.message or answer.code}" + (f"\n{advice}" if advice else ""), code=code)
    if answer.status is not None:
        return Told(text=status_text(answer.status))
    if answer.why is not None:
        return Told(text=why_text(answer.why))
    return Told(text=_said(arguments))


def _said(arguments: argparse.Namespace) -> str:
    request = _request(arguments)
    if request.verb is None:
        return "done"
    if request.verb is not CommandVerb.HOLD:
        return _SAID[request.verb]
    if arguments.off:
        return "updates may start again"
    return "no update will start " + (
        "until hold --off" if arguments.for_s is None else f"for {duration(arguments.for_s)}"
    )


def _remedy(answer: Answer) -> str:
    return "" if answer.ok else remedy(answer.code)


def _why_on_disk(config: AgentConfig, exc: NotRunningError, *, as_json: bool) -> Told:
    report = why_on_disk(Path(config.state_dir), config.id)
    if as_json:
        return Told(text=json.dumps(encode(report), allow_nan=False), code=NOT_RUNNING)
    return Told(text=f"{exc}\nwhat it stored before it ended:\n\n{why_text(report)}", code=NOT_RUNNING)


def _selftest(config: AgentConfig, *, as_json: bool) -> Told:
    from agent.local.selftest import selftest

    checks = selftest(config)
    is_good = all(check.ok for check in checks)
    if as_json:
        found = {check.name: {"ok": check.ok, "found": check.found} for check in checks}
        return Told(text=json.dumps({"ok": is_good, "checks": found}), code=DONE if is_good else REFUSED)
    lines = [f"{'ok' if check.ok else 'BAD':<5}{check.name:<8}{check.found}" for check in checks]
    return Told(text="\n".join(lines), code=DONE if is_good else REFUSED)


def _config(path: Path | None) -> AgentConfig:
    here = Path("agent.yaml")
    if path is not None or here.exists():
        return load_config(path or here)
    found = sorted(CONFIG_DIR.glob("*.yaml"))
    if len(found) != 1:
        names = ", ".join(str(one) for one in found[:5]) or "none"
        raise LocalError(f"no agent.yaml here, and found {names} in {CONFIG_DIR}, expected one; name it with --config")
    return load_config(found[0])
