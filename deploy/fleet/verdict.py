"""Whether nobody, one device, a cohort or the whole fleet has drifted, and what they have in common.

A device's own verdict cannot tell its broken lens from a change of season; the others can. Devices that deviate are
grouped by the direction in which they do, and each group is a finding of its own: a whole fleet in autumn with one
broken lens is two. What is too weak to be seen on a device alone is looked for in the sums of sketches: of the whole
fleet, and of everything that devices share.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from deploy.fleet.deviation import Deviation, DeviceSketch, deviation
from edge_models.sketch import Sketch

MIN_EFFECTIVE = 1000.0  # below it, false verdicts on single devices were frequent (six of six calm fleets at 300)
FLEET_SHARE = 0.6  # of the judged devices
MOST_SHARE = 0.85  # from here on it is the fleet, whatever those few that are left share
ALIKE = 0.5  # cosine of directions of two devices with the same drift; noise takes it down to about 0.8
SURELY_ALIKE = 0.7
NEARLY = 0.6  # of the strength of drift: such a device belongs to a group that deviates in its direction
CLEARLY = 1.3  # strength of a device from which on others cannot have helped to find it
EXPLAINS = 0.6  # Jaccard index of a group of devices with those that share a label
EXPLAINS_WELL = 0.9
SMALLEST_GROUP = 3  # for sums: two devices are no group
MAX_SIGNALS_NAMED = 5


class FleetKind(StrEnum):
    """How much of the fleet has drifted; the later, the more."""

    NONE = "none"
    DEVICE = "device"
    COHORT = "cohort"
    FLEET = "fleet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Devices that have drifted in the same way.

    Attributes:
        kind: How much of the fleet they are.
        devices: Their ids.
        shared: Labels that they have and others have not, such as ``{"region": "south"}``; empty where none explains
            them, and for a device or the fleet.
        effects: The signals with the largest effects and ``classes``, largest first, 0 to 1, in mean over the devices.
        shifts: In which direction each of these signals has moved, -1 to 1.
        strength: As a multiple of what chance and the dead-band explain.
        is_weak: Whether only the sum of their sketches shows it.
    """

    kind: FleetKind
    devices: tuple[str, ...]
    shared: Mapping[str, str]
    effects: Mapping[str, float]
    shifts: Mapping[str, float]
    strength: float
    is_weak: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetVerdict:
    """What is wrong with a fleet.

    Attributes:
        kind: Of the widest finding.
        findings: The widest first.
        judged: Devices that have counted enough frames.
        waiting: Those that have not, with their independent frames so far.
        strengths: Of each judged device; drift above 1.
    """

    kind: FleetKind
    findings: tuple[Finding, ...]
    judged: int
    waiting: Mapping[str, int]
    strengths: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Judged:
    device: DeviceSketch
    deviation: Deviation


def fleet_verdict(devices: Sequence[DeviceSketch]) -> FleetVerdict:
    """Judge a fleet by what its devices have counted lately, about 1000 independent frames each."""
    judged = [
        _Judged(device=device, deviation=deviation(device.sketch, device.profile, device.n_effective))
        for device in sorted(devices, key=lambda device: device.device)
        if device.n_effective >= MIN_EFFECTIVE
    ]
    groups = _groups([one for one in judged if one.deviation.strength > 1])
    groups = _completed(groups, judged)
    clear = [group for group in groups if max(one.deviation.strength for one in group) > CLEARLY]
    taken = {one.device.device for group in clear for one in group}
    weak = _weak_findings([one for one in judged if one.device.device not in taken], judged)
    found = [_finding(group, judged) for group in groups] + weak
    if weak:  # what is barely seen on a few of its devices is the same drift
        found = [one for one in found if one.is_weak or not set(one.devices) <= set(weak[0].devices) - taken]
    order = list(FleetKind)
    found.sort(key=lambda finding: (-order.index(finding.kind), -len(finding.devices), -finding.strength))
    return FleetVerdict(
        kind=found[0].kind if found else FleetKind.NONE,
        findings=tuple(found),
        judged=len(judged),
        waiting={one.device: int(one.n_effective) for one in devices if one.n_effective < MIN_EFFECTIVE},
        strengths={one.device.device: one.deviation.strength for one in judged},
    )


def _groups(drifted: list[_Judged]) -> list[list[_Judged]]:
    """Devices by direction: each joins the group whose sum it resembles most, the strongest ones first."""
    groups: list[list[_Judged]] = []
    for one in sorted(drifted, key=lambda one: -one.deviation.strength):
        likeness = [_likeness(one, group) for group in groups]
        if likeness and max(likeness) >= ALIKE:
            groups[int(np.argmax(likeness))].append(one)
        else:
            groups.append([one])
    return groups


def _completed(groups: list[list[_Judged]], judged: list[_Judged]) -> list[list[_Judged]]:
    """Add devices that deviate almost enough, and in a group's direction."""
    taken = {one.device.device for group in groups for one in group}
    for one in judged:
        if one.device.device in taken or one.deviation.strength < NEARLY:
            continue
        for group in groups:
            if _likeness(one, group) >= SURELY_ALIKE:
                group.append(one)
                break
    return groups


def _likeness(one: _Judged, group: Sequence[_Judged]) -> float:
    """Cosine of its direction with the group's; -1 for devices whose signals differ."""
    size = one.deviation.direction.size
    others = [other.deviation.direction for other in group if other.deviation.direction.size == size]
    return _cosine(one.deviation.direction, np.sum(others, axis=0)) if others else -1.0


def _cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / length if length > 0 else 0.0


def _finding(group: list[_Judged], judged: list[_Judged]) -> Finding:
    names = tuple(sorted(one.device.device for one in group))
    shared, score = _explanation(set(names), judged)
    share = len(names) / len(judged)
    if len(names) == 1:
        kind = FleetKind.DEVICE
    elif share >= MOST_SHARE or (share >= FLEET_SHARE and score < EXPLAINS_WELL):
        kind = FleetKind.FLEET
    else:
        kind = FleetKind.COHORT
    effects = _mean([_all_effects(one.deviation) for one in group])
    shifts = _mean([one.deviation.shifts for one in group])
    named = sorted(effects, key=lambda name: -effects[name])[:MAX_SIGNALS_NAMED]
    return Finding(
        kind=kind,
        devices=names,
        shared=shared if kind is FleetKind.COHORT and score >= EXPLAINS else {},
        effects={name: effects[name] for name in named},
        shifts={name: shifts[name] for name in named if name in shifts},
        strength=float(np.mean([one.deviation.strength for one in group])),
    )


def _weak_findings(calm: list[_Judged], judged: list[_Judged]) -> list[Finding]:
    """Drift of the whole fleet, or else of a labelled group, that shows on sums only."""
    if len(calm) >= max(SMALLEST_GROUP, FLEET_SHARE * len(judged)):
        found = _weak(calm)
        if found is not None and not _is_of_a_part(calm):
            return [_weak_finding(FleetKind.FLEET, calm, {}, found)]
    best: tuple[float, list[_Judged], dict[str, str], Deviation] | None = None
    for label, members in _labelled(calm).items():
        if SMALLEST_GROUP <= len(members) < len(calm):
            found = _weak(members)
            if found is not None and (best is None or found.strength > best[0]):
                best = (found.strength, members, dict([label]), found)
    return [] if best is None else [_weak_finding(FleetKind.COHORT, best[1], best[2], best[3])]


def _weak(members: list[_Judged]) -> Deviation | None:
    """The deviation of their sum, if it is drift and most of them lean its way."""
    profiles = {one.device.profile.id for one in members}
    if len(profiles) > 1:
        return None
    found = _summed(members)
    leaning = sum(_cosine(one.deviation.direction, found.direction) > ALIKE for one in members)
    return found if found.strength > 1 and leaning >= FLEET_SHARE * len(members) else None


def _summed(members: list[_Judged]) -> Deviation:
    merged = Sketch.merged(one.device.sketch for one in members)
    return deviation(merged, members[0].device.profile, sum(one.device.n_effective for one in members))


def _is_of_a_part(calm: list[_Judged]) -> bool:
    """Whether the devices without some label show nothing, so that those with it are all there is."""
    for members in _labelled(calm).values():
        ids = {one.device.device for one in members}
        rest = [one for one in calm if one.device.device not in ids]
        if min(len(members), len(rest)) >= SMALLEST_GROUP and _weak(members) and _summed(rest).strength < NEARLY:
            return True
    return False


def _weak_finding(kind: FleetKind, members: list[_Judged], shared: Mapping[str, str], found: Deviation) -> Finding:
    effects = _all_effects(found)
    named = sorted(effects, key=lambda name: -effects[name])[:MAX_SIGNALS_NAMED]
    return Finding(
        kind=kind,
        devices=tuple(sorted(one.device.device for one in members)),
        shared=shared,
        effects={name: effects[name] for name in named},
        shifts={name: found.shifts[name] for name in named if name in found.shifts},
        strength=found.strength,
        is_weak=True,
    )


def _explanation(names: set[str], judged: list[_Judged]) -> tuple[Mapping[str, str], float]:
    """The label, or else pair of labels, whose devices are most nearly these, and how nearly (Jaccard index)."""
    members = {label: {one.device.device for one in group} for label, group in _labelled(judged).items()}
    best: tuple[Mapping[str, str], float] = ({}, 0.0)
    for label, group in members.items():
        score = _jaccard(names, group)
        if score > best[1]:
            best = (dict([label]), score)
    if best[1] >= EXPLAINS_WELL:
        return best
    touching = [label for label, group in members.items() if len(group & names) * 2 > len(names)]
    for one, other in itertools.combinations(touching, 2):
        score = _jaccard(names, members[one] & members[other]) - 0.1  # two labels explain more by chance than one
        if score > best[1]:
            best = (dict([one, other]), score)
    return best


def _labelled(judged: Sequence[_Judged]) -> dict[tuple[str, str], list[_Judged]]:
    found: dict[tuple[str, str], list[_Judged]] = {}
    for one in judged:
        for label in one.device.labels.items():
            found.setdefault(label, []).append(one)
    return found


def _jaccard(a: set[str], b: set[str]) -> float:
    return len(a & b) / len(a | b) if a | b else 0.0


def _all_effects(found: Deviation) -> dict[str, float]:
    return {**found.effects, "classes": found.class_effect}


def _mean(values: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean by name over those that have it: devices with different profiles may have other signals."""
    names = {name for one in values for name in one}
    return {name: float(np.mean([one[name] for one in values if name in one])) for name in names}
