"""Tell devices to do something at once, and show their replies.

  driftline-fleet command rebaseline DEVICE [--as NAME] [--forget]   what it sees now is normal (--as: learn a context)
  driftline-fleet command dismiss DEVICE                            close its open request for a model
  driftline-fleet command dismiss DEVICE --benign [--as NAME]       and never ask because of this drift again
  driftline-fleet command check | install | rollback | snapshot | undo DEVICE
  driftline-fleet command hold DEVICE [--off]                      start no updates

`driftline-fleet samples deliver|wipe DEVICE` is about inputs worth a label.
"""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

from deploy.commands._tell import add_device_options, tell_devices

if TYPE_CHECKING:
    from edge_models.wire.values import Scalar

EXIT_CODES: dict[int, str] = {1: "a device refused, or did not answer in time"}
_SIMPLE = {
    "check": "look for a model now",
    "install": "install what the channel names, also while updates are held",
    "rollback": "go back to the last known good model",
    "snapshot": "send state, drift and model state now, and one input where samples are enabled",
    "undo": "go back to what was learnt on the device before",
}
_NAME = "[a-z0-9][a-z0-9_-]{0,31}"  # as contexts of profiles are named


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    actions = parser.add_subparsers(
        dest="action", required=True, metavar="|".join(["rebaseline", "dismiss", "hold", *_SIMPLE]),
        parser_class=type(parser),
    )  # fmt: skip
    rebaseline = actions.add_parser(
        "rebaseline", help="take the present input as normal", description="Take the present input as normal."
    )
    rebaseline.add_argument(
        "--as", dest="name", type=_name, metavar="NAME", help="learn it as a context of this name, beside the others"
    )
    rebaseline.add_argument("--forget", action="store_true", help="drop the contexts that it has learnt before")
    add_device_options(rebaseline)
    dismiss = actions.add_parser(
        "dismiss", help="close the open model request", description="Close the open model request."
    )
    benign = dismiss.add_mutually_exclusive_group()
    benign.add_argument("--benign", action="store_true", help="and never ask for a model because of this drift again")
    benign.add_argument("--forget", action="store_true", help="ask again because of the benign drift that --as names")
    dismiss.add_argument("--as", dest="name", type=_name, metavar="NAME", help="name of the benign drift")
    add_device_options(dismiss)
    hold = actions.add_parser("hold", help="start no updates", description="Start no updates, or start them again.")
    hold.add_argument("--off", action="store_true", help="start updates again")
    add_device_options(hold)
    for name, text in _SIMPLE.items():
        add_device_options(actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}."))


def run(args: argparse.Namespace) -> int:
    """Send the command and print the replies."""
    from deploy.errors import UsageError
    from edge_models.wire import CommandVerb

    name = getattr(args, "name", None)
    arguments: dict[str, Scalar] = {} if name is None else {"as": name}
    if args.action == "hold":
        arguments["on"] = not args.off
    if args.action == "dismiss":
        if (name is not None and not (args.benign or args.forget)) or (args.forget and name is None):
            raise UsageError("--as: found alone or left out, expected --benign [--as NAME] or --forget --as NAME")
        arguments |= {"benign": args.benign} if args.benign or args.forget else {}
    if args.action == "rebaseline" and args.forget:
        arguments["forget"] = True
    return tell_devices(args, CommandVerb(args.action), arguments)


def _name(text: str) -> str:
    if not re.fullmatch(_NAME, text):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected 1 to 32 of a-z, 0-9, '-' and '_', such as night")
    return text
