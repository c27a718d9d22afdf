"""The messages that a device sends, built from what the core knows. No decisions here."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from agent import ipc
from agent.core.commands import Publish
from agent.core.records import ActiveRecord, HoldEnd, Now, UpdateRecord
from agent.core.update_table import RESTING, State
from edge_models.errors import FieldError
from edge_models.manifest import BundleId, short
from edge_models.wire.codec import encode_message
from edge_models.wire.predictions import Prediction, SampleMessage
from edge_models.wire.telemetry import (
    MAX_SIGNALS,
    MAX_SKETCH_CHARS,
    Event,
    EventType,
    Severity,
    Stats,
)
from edge_models.wire.update import ModelState, UpdateEntity, UpdateError
from edge_models.wire.values import Scalar, Timestamp, timestamp

MAX_CLASSES = 32  # in a stats row that would be too long with all of them


@dataclass(slots=True, kw_only=True)
class Voice:
    """Stamps messages with time, boot and sequence numbers.

    Attributes:
        device: Id of the device.
        boot: Number of this start.
        started_s: Monotonic time of the start.
    """

    device: str
    boot: int
    started_s: float
    _events: int = field(default=0)
    _stats: int = field(default=0)
    _states: int = field(default=0)

    def ts(self, now: Now, *, ago_s: float = 0.0) -> Timestamp | None:
        """The time for people, or None while it is not known."""
        return None if now.utc_s is None else timestamp(now.utc_s - ago_s)

    def up(self, now: Now) -> float:
        """Seconds since the start, in milliseconds."""
        return max(0.0, round(now.monotonic_s - self.started_s, 3))

    def next_state(self) -> int:
        """Sequence number of the next ``state``."""
        self._states += 1
        return self._states

    def event(
        self,
        now: Now,
        type_: str,
        message: str,
        *,
        severity: Severity = Severity.INFO,
        data: Mapping[str, Scalar] | None = None,
    ) -> Publish:
        """Something an operator may want to know."""
        self._events += 1
        return Publish(
            kind="event",
            message=Event(
                ts=self.ts(now),
                up=self.up(now),
                id=f"{self.device}-{self.boot}-{self._events}",
                boot=self.boot,
                seq=self._events,
                type=type_,
                severity=severity,
                message=message[:500],
                data=dict(data or {}),
            ),
        )

    def stats(self, now: Now, active: ActiveRecord, window: ipc.Window, faults: Mapping[str, int]) -> Publish:
        """The durable row of a window, with the faulty frames of the verdicts since the last one."""
        self._stats += 1
        row = Stats(
            ts=self.ts(now),
            up=self.up(now),
            boot=self.boot,
            seq=self._stats,
            bundle=active.bundle,
            artifact=active.artifact,
            ts_from=self.ts(now, ago_s=window.seconds),
            ts_to=self.ts(now),
            position=window.position,
            n=window.n,
            held=window.held,
            thin=window.thin,
            faults=dict(list(faults.items())[:16]),
            rate_hz=window.rate_hz,
            mean_confidence=window.mean_confidence,
            p50_us=window.p50_us,
            p95_us=window.p95_us,
            classes=most_frequent(window.classes, 256),
            sketch=window.sketch if 0 < len(window.sketch) <= MAX_SKETCH_CHARS else None,
        )
        return Publish(kind="stats", message=_fitting(row))

    def adapted(self, now: Now, adapted: ipc.Adapted) -> Publish:
        """Other weights correct predictions from now on."""
        message = f"{adapted.why.replace('_', ' ')} after {adapted.labels} labels: revision {adapted.rev}"
        if adapted.accuracy is not None and adapted.unadapted is not None:
            message += f", {adapted.accuracy:.1%} right where the artifact alone has {adapted.unadapted:.1%}"
        data = {
            "rev": adapted.rev,
            "why": adapted.why,
            "labels": adapted.labels,
            "accuracy": adapted.accuracy,
            "unadapted": adapted.unadapted,
        }
        severity = Severity.WARNING if adapted.why == "rolled_back" else Severity.INFO
        return self.event(now, EventType.ADAPTATION_CHANGED, message, severity=severity, data=data)

    def prediction(self, now: Now, bundle: BundleId, out: ipc.PredictionOut) -> Publish:
        """One prediction of a worker that runs ``bundle``."""
        message = Prediction(
            ts=self.ts(now),
            up=self.up(now),
            id=f"{self.boot}-{out.seq}",
            bundle=bundle,
            position=out.position,
            label=out.label,
            confidence=out.confidence,
            latency_us=out.latency_us,
        )
        return Publish(kind="prediction", message=message)

    def sample(self, now: Now, active: ActiveRecord, out: ipc.SampleOut, body: bytes) -> Publish:
        """One input worth a label."""
        message = SampleMessage(
            ts=self.ts(now),
            up=self.up(now),
            id=f"{self.boot}-{out.seq}",
            bundle=active.bundle,
            position=out.position,
            why=out.why,
            signal=out.signal,
            predicted=out.predicted,
            confidence=out.confidence,
            dtype=out.dtype,
            shape=out.shape,
            x=base64.b64encode(body).decode("ascii"),
        )
        return Publish(kind="sample", message=message)

    def model_state(
        self,
        now: Now,
        record: UpdateRecord,
        active: ActiveRecord | None,
        *,
        progress: tuple[int | None, int | None],
        error: UpdateError | None,
    ) -> Publish:
        """Where the update stands."""
        target = record.target
        message = ModelState(
            ts=self.ts(now),
            up=self.up(now),
            phase=record.phase,
            installed=None if active is None else active.as_version(),
            previous=None if active is None else active.previous,
            target=None if target is None else target.as_version(),
            bytes=progress[0],
            total=progress[1],
            attempt=record.attempt,
            rollout=None if target is None else target.rollout,
            held=record.held,
            held_until=_end_of(record.hold),
            error=error or record.error,
            last_result=record.last_result,
            metadata=record.metadata,
        )
        return Publish(kind="model/state", message=message)


def update_entity(
    model: str,
    record: UpdateRecord,
    active: ActiveRecord | None,
    *,
    latest: BundleId | None,
    progress: tuple[int | None, int | None],
) -> Publish:
    """Home Assistant's view of the same."""
    busy = record.phase not in RESTING
    done, total = progress
    percentage = None
    if record.phase is State.DOWNLOADING and done is not None and total:
        percentage = round(100.0 * min(done, total) / total, 1)
    message = UpdateEntity(
        installed_version=None if active is None else _name(active.version, active.bundle),
        latest_version=_latest_name(record, active, latest),
        title=model,
        in_progress=busy,
        update_percentage=percentage,
    )
    return Publish(kind="model/update", message=message)


def most_frequent(classes: Mapping[str, int], count: int) -> dict[str, int]:
    """The classes with the largest counts.

    >>> most_frequent({"0": 1, "1": 5, "2": 3}, 2)
    {'1': 5, '2': 3}
    """
    if len(classes) <= count:
        return dict(classes)
    return dict(sorted(classes.items(), key=lambda item: -item[1])[:count])


def clipped_effects(effects: Mapping[str, float]) -> dict[str, float]:
    """The largest effects, as many as a message may hold, in three digits."""
    largest = sorted(effects.items(), key=lambda item: -item[1])[:MAX_SIGNALS]
    return {name: round(min(max(effect, 0.0), 1.0), 3) for name, effect in largest}


def _fitting(row: Stats) -> Stats:
    """The row, or what of it goes into its 2 KB."""
    for candidate in (row, replace(row, classes=most_frequent(row.classes, MAX_CLASSES))):
        try:
            encode_message(candidate)
        except FieldError:
            continue
        return candidate
    return replace(row, classes=most_frequent(row.classes, MAX_CLASSES), sketch=None)


def _latest_name(record: UpdateRecord, active: ActiveRecord | None, latest: BundleId | None) -> str | None:
    for known in (record.target, active):
        if known is not None and latest in (None, known.bundle) and (known is active or latest is not None):
            return _name(known.version, known.bundle)
    return None if latest is None else short(latest)


def _end_of(hold: HoldEnd | None) -> Timestamp | None:
    return None if hold is None or hold.until_utc_s is None else timestamp(hold.until_utc_s)


def _name(version: str, bundle: BundleId) -> str:
    return version or short(bundle)
