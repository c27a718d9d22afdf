"""What commands that tell devices something share: options, the connection, and what is printed."""

from __future__ import annotations

import argparse
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING

from deploy.commands._fleet import add_options, config_of
from deploy.commands._output import print_json, print_table
from deploy.errors import EXIT_OK, CommandError, UsageError

if TYPE_CHECKING:
    from edge_models.wire import CommandVerb, Reply
    from edge_models.wire.values import Scalar

DEFAULT_TIMEOUT_S = 15.0


def add_device_options(parser: argparse.ArgumentParser) -> None:
    """Add the devices, how to reach them, and how long to wait."""
    parser.add_argument("devices", nargs="+", metavar="DEVICE", help="id of a device; several are told at once")
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=DEFAULT_TIMEOUT_S,
        metavar="S",
        help="wait so long for replies (%(default)g)",
    )
    add_options(parser, mqtt=True)


def tell_devices(args: argparse.Namespace, verb: CommandVerb, arguments: Mapping[str, Scalar]) -> int:
    """Send the command, wait for the replies and print them.

    Raises:
        UsageError: A device's id is none.
        LinkError: There is no broker.
        CommandError: A device refused, or did not answer.
    """
    from deploy.clock import SystemClock
    from deploy.fleet.tell import reply_subscriptions, tell
    from deploy.link import Link
    from edge_models.errors import FieldError
    from edge_models.wire import Topics, device_id

    config, clock = config_of(args), SystemClock()
    topics = Topics(config.mqtt.base)
    try:
        devices = [device_id(name, where="DEVICE") for name in dict.fromkeys(args.devices)]
    except FieldError as exc:
        raise UsageError(str(exc)) from exc
    token = secrets.token_hex(6)
    subscriptions = reply_subscriptions(topics, devices, verb)
    with Link(config.mqtt, subscriptions, client_id=f"driftline-cli-{token}", clock=clock) as link:
        link.wait_until_connected(args.timeout)
        identity = f"cli-{token}"
        replies = tell(link, topics, devices, verb, arguments, identity=identity, timeout_s=args.timeout, clock=clock)
    _print(replies, verb, is_json=args.json)
    failed = [device for device, reply in replies.items() if reply is None or not reply.ok]
    if failed:
        raise CommandError(f"{verb.value}: not done by {', '.join(failed)}; {_advice(replies[failed[0]])}")
    return EXIT_OK


def _print(replies: Mapping[str, Reply | None], verb: CommandVerb, *, is_json: bool) -> None:
    if is_json:
        print_json(
            [
                {
                    "device": device,
                    "command": verb.value,
                    "ok": reply is not None and reply.ok,
                    "code": "no_reply" if reply is None else reply.code,
                    "message": "" if reply is None else reply.message,
                }
                for device, reply in replies.items()
            ]
        )
        return
    rows = [[device, *_shown(reply)] for device, reply in replies.items()]
    print_table(("device", "reply", "message"), rows, empty="no device")


def _shown(reply: Reply | None) -> tuple[str, str]:
    return ("none", "") if reply is None else (reply.code, reply.message)


def _advice(reply: Reply | None) -> str:
    if reply is None:
        return "no reply in time: see `driftline-fleet devices` whether it is online"
    return f"found {reply.code}: {reply.message}"


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.1 <= value <= 300:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected 0.1 to 300 seconds")
    return value
