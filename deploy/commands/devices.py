"""Show the devices of the fleet: what each runs, how it is doing, when it was last heard of."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from deploy.commands._fleet import add_options, config_of, opened
from deploy.commands._output import print_json, print_table
from deploy.errors import EXIT_OK

if TYPE_CHECKING:
    from deploy.fleet.gaps import Missing
    from deploy.fleet.models import Device

EXIT_CODES: dict[int, str] = {}
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_options(parser)
    parser.add_argument("device", nargs="?", metavar="ID", help="only this one, with everything that is known of it")


def run(args: argparse.Namespace) -> int:
    """Print the table, or one device."""
    from deploy.clock import SystemClock
    from deploy.errors import UnknownIdError
    from deploy.fleet import gaps
    from deploy.fleet.reports import all_devices

    with opened(config_of(args)) as database, database.read() as session:
        devices = [device for device in all_devices(session) if args.device in (None, device.id)]
        missing = gaps.missing(session)
    if args.device is not None and not devices:
        raise UnknownIdError(f"device {args.device!r}: has never reported; `driftline-fleet devices` lists all")
    if args.json or args.device is not None:
        shown = [_described(device, missing.get(device.id, gaps.Missing())) for device in devices]
        print_json(shown if args.device is None else shown[0])
        return EXIT_OK
    now_s = SystemClock().unix_s()
    columns = ("device", "status", "model", "runs", "update", "drift", "rate", "p95", "cpu", "missing", "seen")
    print_table(
        columns, (_row(device, missing.get(device.id), now_s) for device in devices), empty="no device has reported yet"
    )
    return EXIT_OK


def _described(device: Device, missing: Missing) -> dict[str, Any]:
    return {
        "id": device.id,
        "status": device.status,
        "model": device.model,
        "channel": device.channel,
        "running_bundle": device.running_bundle,
        "phase": device.phase,
        "drift_state": device.drift_state,
        "first_seen": device.first_seen,
        "last_seen": device.last_seen,
        "meta": device.meta,
        "state": device.state,
        "drift": device.drift,
        "model_state": device.model_state,
        "messages_lost": missing.lost,
        "messages_asked_for": missing.asked,
    }


def _row(device: Device, missing: Missing | None, now_s: float) -> list[object]:
    state = device.state or {}
    rate_hz, p95_us, cpu_c = state.get("rate_hz"), state.get("p95_us"), state.get("cpu_temperature_c")
    return [
        device.id,
        device.status,
        f"{device.model or '?'}/{device.channel or '?'}",
        (device.running_bundle or "")[:12],
        device.phase,
        device.drift_state,
        None if rate_hz is None else f"{rate_hz:.1f}/s",
        None if p95_us is None else f"{p95_us / 1000:.1f} ms",
        None if cpu_c is None else f"{cpu_c:.0f} C",
        None if missing is None else f"{missing.lost} lost, {missing.asked} asked",
        _age(now_s - device.last_seen),
    ]


def _age(age_s: float) -> str:
    for unit_s, name in ((_DAY_S, "d"), (_HOUR_S, "h"), (_MINUTE_S, "min")):
        if age_s >= unit_s:
            return f"{age_s / unit_s:.0f} {name} ago"
    return f"{max(age_s, 0):.0f} s ago"
