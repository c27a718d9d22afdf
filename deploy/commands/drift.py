"""Show how much of the fleet has drifted: nobody, one device, a cohort or all, and what they have in common.

Devices count their signals on the bins of their model's profile; this compares those counts, the latest 1000
independent frames of each, with the profile and with each other. A device that has learnt a context of its own
(`command rebaseline --as NAME`, or the answer to its request) is judged only while it sees drift from there itself.
Its own verdict: `driftline-fleet devices`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deploy.commands._fleet import add_options, config_of, opened
from deploy.commands._output import print_json, print_table, say
from deploy.errors import EXIT_OK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deploy.fleet.counts import FleetCounts
    from deploy.fleet.verdict import Finding, FleetVerdict

EXIT_CODES: dict[int, str] = {}
_MOST_NAMED = 12
_DAY_S = 86400.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_options(parser, registry=True)
    parser.add_argument(
        "--days", type=_days, default=7.0, metavar="N", help="leave out what came earlier (%(default)g days)"
    )


def run(args: argparse.Namespace) -> int:
    """Print the verdict."""
    from deploy.clock import SystemClock
    from deploy.fleet.counts import fleet_counts
    from deploy.fleet.profiles import PublishedProfiles
    from deploy.fleet.verdict import MIN_EFFECTIVE, fleet_verdict
    from deploy.registry import Registry

    config = config_of(args)
    profiles = PublishedProfiles(Registry(Path(config.registry)))
    since_s = SystemClock().unix_s() - args.days * _DAY_S
    with opened(config) as database, database.read() as session:
        counts = fleet_counts(session, profiles, model=config.model, since_s=since_s, enough=MIN_EFFECTIVE)
    verdict = fleet_verdict(counts.devices)
    if args.json:
        print_json(_document(verdict, counts))
    else:
        _print(verdict, counts)
    return EXIT_OK


def _document(verdict: FleetVerdict, counts: FleetCounts) -> dict[str, Any]:
    return {
        "verdict": verdict.kind.value,
        "findings": [
            {
                "kind": finding.kind.value,
                "devices": list(finding.devices),
                "shared": dict(finding.shared),
                "effects": _rounded(finding.effects),
                "shifts": _rounded(finding.shifts),
                "strength": round(finding.strength, 3),
                "weak": finding.is_weak,
            }
            for finding in verdict.findings
        ],
        "judged": verdict.judged,
        "strengths": _rounded(verdict.strengths),
        "waiting": dict(verdict.waiting),
        "own_baselines": dict(counts.own_baselines),
        "left_out": dict(counts.left_out),
    }


def _print(verdict: FleetVerdict, counts: FleetCounts) -> None:
    headline = _HEADLINES[verdict.kind.value] if verdict.judged else "no device can be judged yet"
    say(f"{headline} ({verdict.judged} judged)")
    rows = [
        (
            finding.kind.value,
            len(finding.devices),
            " and ".join(f"{name} {value}" for name, value in finding.shared.items()),
            _signals(finding),
            f"{finding.strength:.1f}x" + (" in sum" if finding.is_weak else ""),
            _names(finding.devices),
        )
        for finding in verdict.findings
    ]
    if rows:
        print_table(("finding", "devices", "shared", "what has moved", "strength", "who"), rows, empty="")
        say("strength: multiple of what chance and the dead-band explain; effects are distances from 0 to 1")
    if verdict.waiting:
        counted = [f"{device} ({n})" for device, n in sorted(verdict.waiting.items())]
        say(f"waiting for 1000 independent frames: {_names(counted)}")
    for device, name in sorted(counts.own_baselines.items()):
        say(f"not judged: {device}: runs on its own baseline {name}, and sees no drift from there")
    for device, why in sorted(counts.left_out.items()):
        say(f"not judged: {device}: {why}")


_HEADLINES = {
    "none": "no device has drifted",
    "device": "single devices have drifted, each in its own way",
    "cohort": "a part of the fleet has drifted in the same way",
    "fleet": "the whole fleet has drifted",
}


def _signals(finding: Finding) -> str:
    def shown(name: str) -> str:
        shift = finding.shifts.get(name, 0.0)
        way = " up" if shift > _CLEAR_SHIFT else " down" if shift < -_CLEAR_SHIFT else ""
        return f"{name}{way} {finding.effects[name]:.2f}"

    return ", ".join(shown(name) for name in list(finding.effects)[:3])


_CLEAR_SHIFT = 0.03  # of the mean rank


def _names(names: tuple[str, ...] | list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}


def _days(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 36500:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a number of days above 0")
    return value
