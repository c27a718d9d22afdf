"""Roll a published bundle out to the fleet, wave by wave, and follow it.

  driftline-fleet rollout start BUNDLE --canary N    orders a rollout; prints its id
  driftline-fleet rollout status [ID]                where it stands, device by device
  driftline-fleet rollout wait ID --timeout S        returns when it has ended
  driftline-fleet rollout abort ID                   everybody back to the bundle before

The work is done by a running `driftline-fleet controller`; these verbs write to and read from the fleet database. N
canaries try the bundle first. If one of them does not commit it in time, every device goes back by itself.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deploy.commands._fleet import add_options, config_of, count, opened
from deploy.commands._output import print_json, print_table, say
from deploy.errors import EXIT_FAILED, EXIT_OK, EXIT_ROLLED_BACK, EXIT_TIMEOUT, RolloutError, UsageError

if TYPE_CHECKING:
    from deploy.config import FleetConfig
    from deploy.registry import Registry
    from edge_models.manifest import BundleId

EXIT_CODES = {
    0: "done; wait: every device has committed the bundle",
    1: "the rollout could not be begun (wait), or something failed",
    3: "wait: rolled back",
    4: "wait: not ended within --timeout, or ended with devices that have been silent for too long",
}
_POLL_S = 0.5


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    actions = parser.add_subparsers(
        dest="action", required=True, metavar="start|status|wait|abort", parser_class=type(parser)
    )
    start = actions.add_parser("start", help="order a rollout", description="Order a rollout.")
    start.add_argument("bundle", metavar="BUNDLE", help="a bundle's directory, or the first digits of its id")
    start.add_argument("--canary", type=count, metavar="N", help="devices that try it first (rollout.canary, 1)")
    add_options(start, registry=True)
    status = actions.add_parser("status", help="where rollouts stand", description="Show a rollout, or all.")
    status.add_argument("id", nargs="?", metavar="ID", help="only this one")
    add_options(status)
    wait = actions.add_parser("wait", help="wait for the end of a rollout", description="Wait for its end.")
    wait.add_argument("id", metavar="ID", help="what start has printed")
    wait.add_argument("--timeout", type=float, default=3600.0, metavar="S", help="seconds (%(default)g)")
    add_options(wait)
    abort = actions.add_parser("abort", help="undo a rollout", description="Take a rollout back.")
    abort.add_argument("id", metavar="ID", help="what start has printed")
    abort.add_argument("--reason", default="aborted by an operator", metavar="TEXT", help="for the record")
    add_options(abort)


def run(args: argparse.Namespace) -> int:
    """Do what the action says."""
    return {"start": _start, "status": _status, "wait": _wait, "abort": _abort}[args.action](args)


def _start(args: argparse.Namespace) -> int:
    from deploy.clock import SystemClock
    from deploy.fleet.requests import answer_by_manifest
    from deploy.fleet.rollouts import new_rollout, note_bundle
    from deploy.registry import Registry

    config = config_of(args)
    registry = Registry(Path(config.registry))
    bundle = registry.find(_bundle_prefix(args.bundle)).id
    manifest = registry.manifest(bundle)
    _check(config, registry, manifest.model, bundle, manifest.serial)
    now_s = SystemClock().unix_s()
    with opened(config) as database, database.write() as session:
        note_bundle(session, bundle, manifest, now_s)
        rollout = new_rollout(
            session,
            model=manifest.model,
            channel=config.channel,
            bundle=bundle,
            config=config.rollout,
            canary=args.canary,
            now_s=now_s,
        )
        answer_by_manifest(session, manifest, bundle, now_s)
        identity = rollout.id
    if args.json:
        print_json({"id": identity, "bundle": bundle, "model": manifest.model, "channel": config.channel})
    else:
        say(identity)
    return EXIT_OK


def _bundle_prefix(text: str) -> str:
    from edge_models.bundle import open_manifest

    return open_manifest(Path(text)).id if Path(text).is_dir() else text.lower()


def _check(config: FleetConfig, registry: Registry, model: str, bundle: BundleId, serial: int) -> None:
    from deploy.rollout.channel import refusal

    if config.model not in (None, model):
        raise UsageError(f"bundle {bundle[:12]} is for model {model}, the fleet runs {config.model}")
    reason = refusal(model, config.channel, registry.channel(model, config.channel), bundle, serial)
    if reason:
        raise RolloutError(reason)


def _status(args: argparse.Namespace) -> int:
    from deploy.fleet.rollouts import all_rollouts, described, get_rollout

    with opened(config_of(args)) as database, database.read() as session:
        chosen = all_rollouts(session) if args.id is None else [get_rollout(session, args.id)]
        shown = [described(session, rollout) for rollout in chosen]
    if args.json:
        print_json(shown if args.id is None else shown[0])
    elif args.id is None:
        rows = [(one["id"], one["state"], one["bundle"][:12], _progress(one), one["reason"]) for one in shown]
        print_table(("rollout", "state", "bundle", "committed", "reason"), rows, empty="no rollout yet")
    else:
        say(_sentence(shown[0]))
        devices = [
            (device, "canary" if one["wave"] == 0 else "rest", one["outcome"], one["detail"])
            for device, one in shown[0]["devices"].items()
        ]
        print_table(("device", "wave", "outcome", "detail"), devices, empty="its devices are chosen when it begins")
    return EXIT_OK


def _wait(args: argparse.Namespace) -> int:
    from deploy.clock import SystemClock
    from deploy.fleet.rollouts import described, get_rollout
    from deploy.fleet.states import FINAL_ROLLOUT_STATES

    clock = SystemClock()
    deadline_s = clock.monotonic_s() + args.timeout
    with opened(config_of(args)) as database:
        while True:
            with database.read() as session:
                rollout = get_rollout(session, args.id)
                shown = described(session, rollout)
            if rollout.state in FINAL_ROLLOUT_STATES or clock.monotonic_s() >= deadline_s:
                break
            clock.sleep(min(_POLL_S, max(deadline_s - clock.monotonic_s(), 0.0)))
    if args.json:
        print_json(shown)
    else:
        say(_sentence(shown))
    return _exit_code(shown["state"])


def _abort(args: argparse.Namespace) -> int:
    from deploy.fleet.rollouts import get_rollout
    from deploy.fleet.states import FINAL_ROLLOUT_STATES

    with opened(config_of(args)) as database, database.write() as session:
        rollout = get_rollout(session, args.id)
        if rollout.state in FINAL_ROLLOUT_STATES:
            raise RolloutError(
                f"rollout {args.id} has ended ({rollout.state}); start one of the bundle that should run"
            )
        rollout.abort = args.reason[:500] or "aborted by an operator"
    if args.json:
        print_json({"id": args.id, "abort": args.reason})
    else:
        say(f"{args.id}: the controller takes it back; `driftline-fleet rollout wait {args.id}` tells when it is done")
    return EXIT_OK


def _exit_code(state: str) -> int:
    return {"committed": EXIT_OK, "rolled_back": EXIT_ROLLED_BACK, "refused": EXIT_FAILED}.get(state, EXIT_TIMEOUT)


def _progress(shown: Mapping[str, Any]) -> str:
    return f"{len(shown['committed'])} of {len(shown['devices'])}"


def _sentence(shown: Mapping[str, Any]) -> str:
    reason = f": {shown['reason']}" if shown["reason"] else ""
    return f"{shown['id']} {shown['state']}, {_progress(shown)} devices have committed {shown['bundle'][:12]}{reason}"
