"""Ask devices for inputs worth a label; show, label and export those that have come.

  driftline-fleet samples deliver DEVICE [-n N]               have a device send what it keeps and what comes next
  driftline-fleet samples wipe DEVICE                         have a device forget what it keeps
  driftline-fleet samples list [--unlabelled] [--device ID]
  driftline-fleet samples label ID LABEL [ID LABEL ...]       or --from CSV
  driftline-fleet samples import CSV                          a table with the columns id and label
  driftline-fleet samples export FILE.npz                     x (and y where labelled) to look at

A label is a class index, or a class name of the bundle that predicted the sample. All labels of a call are stored, or
none.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deploy.commands._fleet import add_options, config_of, count, opened
from deploy.commands._output import print_json, print_table, say
from deploy.commands._tell import add_device_options, tell_devices
from deploy.errors import EXIT_OK, LabelError

if TYPE_CHECKING:
    from deploy.fleet.models import Sample

EXIT_CODES: dict[int, str] = {
    1: "a device refused, or did not answer in time",
    2: "wrong usage, an unknown sample, a wrong label, a malformed table; nothing is stored",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    actions = parser.add_subparsers(
        dest="action", required=True, metavar="deliver|wipe|list|label|import|export", parser_class=type(parser)
    )
    deliver = actions.add_parser(
        "deliver", help="ask devices for samples", description="Ask devices for inputs worth a label."
    )
    deliver.add_argument("-n", type=count, metavar="N", help="how many of each (as many as it may send today)")
    add_device_options(deliver)
    wipe = actions.add_parser(
        "wipe",
        help="have devices forget samples",
        description="Have devices forget the inputs that they keep; those that have arrived here stay.",
    )
    add_device_options(wipe)
    listing = actions.add_parser("list", help="show samples", description="Show samples, the newest last.")
    _filters(listing)
    listing.add_argument("--limit", type=count, metavar="N", help="only the newest N")
    add_options(listing)
    label = actions.add_parser("label", help="give labels", description="Give samples their labels.")
    label.add_argument("pairs", nargs="*", metavar="ID LABEL", help="sample ids, each followed by its label")
    label.add_argument("--from", dest="table", metavar="CSV", help="table with the columns id and label; - is stdin")
    _who(label)
    add_options(label)
    table = actions.add_parser("import", help="take labels from a table", description="Take labels from a table.")
    table.add_argument("table", metavar="CSV", help="has the columns id and label; - is stdin")
    _who(table)
    add_options(table)
    export = actions.add_parser("export", help="write samples to a file", description="Write samples to a file.")
    export.add_argument("file", type=Path, metavar="FILE.npz", help="gets x and y (-1 without a label)")
    _filters(export)
    add_options(export)


def run(args: argparse.Namespace) -> int:
    """Do what the action says."""
    if args.action in ("deliver", "wipe"):
        return _ask(args)
    {"list": _list, "label": _label, "import": _label, "export": _export}[args.action](args)
    return EXIT_OK


def _ask(args: argparse.Namespace) -> int:
    from edge_models.wire import CommandVerb

    n = getattr(args, "n", None)
    return tell_devices(args, CommandVerb.SAMPLES, {"do": args.action} | ({} if n is None else {"n": n}))


def _filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", metavar="ID", help="of this device only")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--unlabelled", dest="labelled", action="store_const", const=False, help="without a label only")
    which.add_argument("--labelled", dest="labelled", action="store_const", const=True, help="with a label only")


def _who(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--by", default="operator", metavar="NAME", help="who says so (%(default)s)")


def _list(args: argparse.Namespace) -> None:
    from deploy.fleet.samples import listed

    with opened(config_of(args)) as database, database.read() as session:
        samples = listed(session, device=args.device, labelled=args.labelled, limit=args.limit)
    if args.json:
        print_json([_described(sample) for sample in samples])
        return
    columns = ("id", "why", "signal", "position", "predicted", "label", "labelled_by")
    rows = [[getattr(sample, column) for column in columns] for sample in samples]
    print_table(("sample", *columns[1:]), rows, empty="no such sample")


def _label(args: argparse.Namespace) -> None:
    from deploy.clock import SystemClock
    from deploy.fleet.labels import labels_from_csv, labels_from_pairs
    from deploy.fleet.samples import label

    labels = labels_from_pairs(getattr(args, "pairs", []))
    if args.table is not None:
        labels |= labels_from_csv(args.table, sys.stdin)
    if not labels:
        raise LabelError("no label given: expected ID LABEL pairs, or --from CSV")
    with opened(config_of(args)) as database, database.write() as session:
        changed = label(session, labels, labelled_by=args.by, now_s=SystemClock().unix_s())
    if args.json:
        print_json({"given": len(labels), "changed": changed})
    else:
        say(f"{len(labels)} labels given, {changed} of them new or changed")


def _export(args: argparse.Namespace) -> None:
    from deploy.fleet.arrays import stacked
    from deploy.fleet.samples import listed
    from edge_models.npz import write_npz

    with opened(config_of(args)) as database, database.read() as session:
        samples = listed(session, device=args.device, labelled=args.labelled, with_data=True)
    x, y = stacked(samples)
    args.file.write_bytes(write_npz({"x": x, "y": y}))
    if args.json:
        print_json({"file": str(args.file), "n": len(samples), "ids": [sample.id for sample in samples]})
    else:
        say(f"wrote {len(samples)} samples to {args.file}")


def _described(sample: Sample) -> dict[str, Any]:
    columns = (
        *(
            "id",
            "device",
            "message",
            "bundle",
            "position",
            "why",
            "signal",
            "predicted",
            "confidence",
            "dtype",
            "shape",
        ),
        *("label", "labelled_by", "labelled_at", "received_at"),
    )
    return {column: getattr(sample, column) for column in columns}
