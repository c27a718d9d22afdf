"""What devices counted, window by window: kept as it came, bounded in number, and read as one sketch per device.

Rows are not added up as they come, for a message may come twice (QoS 1); (boot, seq) tells it from a new one. A device
that starts to count its boots anew, because its disk was replaced, replaces its old rows.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.orm import Session

from deploy.errors import DeployError
from deploy.fleet.deviation import DeviceSketch
from deploy.fleet.models import Count, Device
from deploy.fleet.profiles import Profiles
from deploy.fleet.reports import expect
from edge_models.errors import EdgeModelsError, FieldError, SketchError
from edge_models.profile import Profile
from edge_models.sketch import Sketch
from edge_models.wire import DriftState, Stats

log = logging.getLogger(__name__)

MAX_ROWS = 400  # of one device: 1000 independent frames at windows of 200 for up to one in 80, in less than 1 MB
MAX_FRAMES = 100_000  # of a window, as an agent's configuration bounds it
_PRUNE_EVERY = 20  # rows
_PAGE = 20  # rows that are read at once
_OPEN_STATES = (DriftState.SUSPECT.value, DriftState.CONFIRMED.value, DriftState.REQUESTED.value)
_HARDWARE_LABELS = ("hardware", "agent", "arch", "os", "python")


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetCounts:
    """What the devices of a fleet have counted lately.

    Attributes:
        devices: Those to judge by their profile, by id.
        own_baselines: Those that call something else normal, by id: the name of the context that they learnt there.
        left_out: Why others are left out, by id.
    """

    devices: list[DeviceSketch] = field(default_factory=list)
    own_baselines: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def record_stats(session: Session, device: Device, message: object, now_s: float) -> None:
    """Keep what a window counted; rows without a sketch, of models without a profile, have nothing to keep."""
    if message is None:
        return
    stats = expect(message, Stats)
    if stats.sketch is None or stats.n == 0:
        return
    try:
        sketch = Sketch.decode(stats.sketch)
    except SketchError as exc:
        raise FieldError("sketch", "text that is none", str(exc)) from exc
    if sketch.n != stats.n or sketch.n > MAX_FRAMES:
        raise FieldError("sketch", f"{sketch.n} frames", f"the row's {stats.n}, at most {MAX_FRAMES}")
    row = Count(
        device=device.id,
        boot=stats.boot,
        seq=stats.seq,
        bundle=stats.bundle,
        artifact=stats.artifact,
        profile=sketch.profile_id,
        n=sketch.n,
        thin=float(stats.thin),
        sketch=stats.sketch,
        received_at=now_s,
    )
    known = session.get(Count, (device.id, stats.boot, stats.seq))
    if known is None:
        session.add(row)
    elif known.sketch != stats.sketch:
        session.merge(row)
    _prune(session, device.id)


def forget_before(session: Session, before_s: float) -> None:
    """Drop rows that are older."""
    session.execute(delete(Count).where(Count.received_at < before_s))


def fleet_counts(
    session: Session, profiles: Profiles, *, model: str | None, since_s: float, enough: float
) -> FleetCounts:
    """What each device has counted lately on the profile of the model that it runs now.

    Args:
        session: Any.
        profiles: Where profiles are.
        model: Only devices of this model slot; None for all.
        since_s: Nothing older.
        enough: Independent frames, the latest ones; older rows are left out as soon as there are so many.
    """
    found = FleetCounts()
    known: dict[tuple[str, str], Profile | str] = {}
    devices = select(Device).order_by(Device.id)
    for device in session.scalars(devices if model is None else devices.where(Device.model == model)):
        rows = _latest(session, device.id, since_s)
        newest = next(rows, None)
        if newest is None:
            found.left_out[device.id] = "no statistics"
            continue
        key = (newest.bundle, newest.artifact)
        if key not in known:
            known[key] = _profile(profiles, *key)
        profile = known[key]
        if isinstance(profile, str):
            found.left_out[device.id] = profile
        elif (latest := _sketch_on(profile, newest)) is None:
            found.left_out[device.id] = (
                f"counts in bins of a profile {newest.profile}, which are not those of its artifact's {profile.id}"
            )
        elif (own := _own_baseline(device, newest, profile)) is not None:
            found.own_baselines[device.id] = own
        else:
            thin = max(newest.thin, 1.0)  # the device's latest measurement holds for all of its rows
            older = (row for row in rows if row.bundle == newest.bundle)
            merged = _merged(latest, profile, older, enough * thin)
            found.devices.append(
                DeviceSketch(device=device.id, sketch=merged, profile=profile, thin=thin, labels=labels_of(device))
            )
    return found


def labels_of(device: Device) -> dict[str, str]:
    """What a device may have in common with others: its owner's labels, its groups, hardware, software and model."""
    meta = device.meta or {}
    groups = {f"group {name}": "yes" for name in meta.get("groups") or ()}
    machine = {name: str(meta[name]) for name in _HARDWARE_LABELS if meta.get(name)}
    running = {"bundle": device.running_bundle[:12]} if device.running_bundle else {}
    labels: Mapping[str, str] = meta.get("labels") or {}
    return {**running, **machine, **groups, **{name: str(value) for name, value in labels.items()}}


def _latest(session: Session, device: str, since_s: float) -> Iterator[Count]:
    chosen = select(Count).where(Count.device == device, Count.received_at >= since_s)
    newest = chosen.order_by(Count.received_at.desc(), Count.boot.desc(), Count.seq.desc())
    for start in range(0, MAX_ROWS, _PAGE):  # the first page is enough for most
        page = session.scalars(newest.limit(_PAGE).offset(start)).all()
        yield from page
        if len(page) < _PAGE:
            return


def _merged(latest: Sketch, profile: Profile, older: Iterator[Count], frames: float) -> Sketch:
    """The latest counts and as many before them as make ``frames``."""
    merged = latest
    for row in older:
        if merged.n >= frames:
            break
        sketch = _sketch_on(profile, row)
        merged = merged if sketch is None else merged.merge(sketch)
    return merged


def _sketch_on(profile: Profile, row: Count) -> Sketch | None:
    """The row's counts; None when they are not in the profile's bins, in fact and not only by name."""
    if row.profile != profile.id:
        return None
    sketch = Sketch.decode(row.sketch)
    fits = (sketch.signals, sketch.classes.size) == (profile.signals, profile.class_prior.size)
    return sketch if fits else None


def _own_baseline(device: Device, newest: Count, profile: Profile) -> str | None:
    """The context that it learnt, or learns, on its site and is in; None also while it sees drift from there itself."""
    report = device.drift or {}
    if report.get("bundle") != newest.bundle or device.drift_state in _OPEN_STATES:
        return None
    if (learning := report.get("learning")) is not None:
        return str(learning)
    context = report.get("context")
    return None if context in {None, *(known.name for known in profile.contexts)} else str(context)


def _profile(profiles: Profiles, bundle: str, artifact: str) -> Profile | str:
    """The profile, or why there is none."""
    try:
        return profiles.profile(bundle, artifact)
    except (DeployError, EdgeModelsError) as exc:
        log.info("no profile of bundle=%s artifact=%s: %s", bundle[:12], artifact, exc)
        return f"runs bundle {bundle[:12]}, whose profile cannot be read: {str(exc).splitlines()[0][:200]}"


def _prune(session: Session, device: str) -> None:
    """Keep the latest rows; not at every row, and not by their numbers: devices that start often count few."""
    session.flush()
    kept = session.scalar(select(func.count()).select_from(Count).where(Count.device == device)) or 0
    if kept < MAX_ROWS + _PRUNE_EVERY:
        return
    surplus = (
        select(Count.boot, Count.seq)
        .where(Count.device == device)
        .order_by(Count.received_at.desc(), Count.boot.desc(), Count.seq.desc())
        .offset(MAX_ROWS)
    )
    chosen = tuple_(Count.boot, Count.seq).in_([tuple(row) for row in session.execute(surplus)])
    session.execute(delete(Count).where(Count.device == device, chosen))
