"""The story of a device's last episode, from the ``episode.json`` in its state directory. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agent.config import load_config
from agent.core.episode_record import EPISODE_FILE, MAX_EPISODE_BYTES, EpisodePoint, EpisodeRecord, EpisodeStep
from agent.explain.errors import ExplainError
from agent.explain.story import AlarmMark, Ask, Reading, Story, Traits, Turn
from agent.state_dir import BOOT_FILE
from edge_models.errors import FieldError
from edge_models.fields import decode_json
from edge_models.wire.telemetry import DriftState
from edge_models.wire.values import unix_time_s

Entry = EpisodeStep | EpisodePoint


def episode_file(where: Path) -> Path:
    """The episode of a device by what its owner knows of it.

    Args:
        where: agent.yaml, a state directory, or the file itself.

    Raises:
        ConfigError: agent.yaml is wrong.
        ExplainError: There is no such file or directory.
    """
    if where.is_dir():
        return where / EPISODE_FILE
    if not where.exists():
        raise ExplainError(f"{where}: found nothing there, expected agent.yaml, a state directory or {EPISODE_FILE}")
    if where.suffix == ".json":
        return where
    return Path(load_config(where).state_dir) / EPISODE_FILE


def read_episode(path: Path) -> EpisodeRecord | None:
    """The last episode; None where the device has not had one.

    Raises:
        ExplainError: The file cannot be read, holds no episode, or no agent has ever run there.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_EPISODE_BYTES + 1)
    except FileNotFoundError:
        _check_started(path)
        return None
    except OSError as exc:
        raise ExplainError(f"{path}: {exc.strerror}; expected a file that this user may read") from exc
    try:
        return decode_json(EpisodeRecord, data, max_bytes=MAX_EPISODE_BYTES)
    except FieldError as exc:
        raise ExplainError(f"{path}: {exc}; expected the {EPISODE_FILE} of an agent of this version") from exc


def _check_started(path: Path) -> None:
    if not (path.parent / BOOT_FILE).exists():
        raise ExplainError(f"{path.parent}: found no state of an agent, expected the state_dir of one that has run")


def story_of(record: EpisodeRecord, source: str) -> Story:
    """What the record tells."""
    entries: list[Entry] = [*record.steps, *record.points]
    seconds = _Seconds(entries)
    stamps = sorted(entry.ts for entry in entries if entry.ts is not None)
    turns = tuple(_turn(step, seconds(step)) for step in record.steps)
    return Story(
        title=f"{record.model or 'a model'} on {record.device or 'a device'}",
        source=source,
        state=record.state.value,
        began=stamps[0] if len(stamps) == len(entries) and stamps else "",
        has_frames=len({entry.boot for entry in entries}) <= 1,
        turns=turns,
        readings=tuple(_reading(point, seconds(point)) for point in record.points),
        alarms=tuple(
            AlarmMark(frame=turn.frame, at_s=turn.at_s, signal=turn.signal or "", detector=turn.detector)
            for turn in turns
            if turn.state == DriftState.SUSPECT.value and turn.detector is not None
        ),
        asks=tuple(
            Ask(frame=turn.frame, at_s=turn.at_s, id=record.request, reason="drift", signal=turn.signal)
            for turn in [turn for turn in turns if turn.state == DriftState.REQUESTED.value][:1]
            if record.request is not None
        ),
        open_request=record.request if record.state is DriftState.REQUESTED else None,
        traits=_traits(record),
    )


class _Seconds:
    """Seconds of an entry since the first one: by the calendar where every entry has it, else by each start's clock.

    Without a calendar nobody knows how long the agent was not running; that time counts as none.
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._by_calendar = all(entry.ts is not None for entry in entries)
        self._before: dict[int, float] = {}
        passed_s = 0.0
        for boot in sorted({entry.boot for entry in entries}):
            ups = [entry.up for entry in entries if entry.boot == boot]
            self._before[boot] = passed_s - min(ups)
            passed_s += max(ups) - min(ups)
        self._first_s = min((self._absolute(entry) for entry in entries), default=0.0)

    def __call__(self, entry: Entry) -> float:
        return self._absolute(entry) - self._first_s

    def _absolute(self, entry: Entry) -> float:
        if self._by_calendar and entry.ts is not None:
            return unix_time_s(entry.ts)
        return self._before[entry.boot] + entry.up


def _turn(step: EpisodeStep, at_s: float) -> Turn:
    return Turn(
        frame=step.position,
        at_s=at_s,
        state=step.state.value,
        sign=step.sign,
        signal=step.signal,
        detector=step.detector,
        severity=step.severity,
        note=step.note,
    )


def _reading(point: EpisodePoint, at_s: float) -> Reading:
    return Reading(
        frame=point.position,
        at_s=at_s,
        n_effective=point.n_effective,
        severity=point.effect,
        signal=point.signal,
        limit=point.limit,
        context=point.context,
        class_effect=point.class_effect,
        accuracy=point.accuracy,
        accuracy_low=point.accuracy_low,
        accuracy_high=point.accuracy_high,
        labelled_accuracy=point.labelled_accuracy,
    )


def _traits(record: EpisodeRecord) -> Traits:
    return Traits(
        level="" if record.level is None else record.level.value,
        changed_at=record.changed_at,
        effects=_effects(record),
        signature=record.signature,
        attribution=record.attribution,
        on_arrival=record.on_arrival,
        known=record.known,
        is_benign=record.benign,
        waits_for=record.waits_for,
        is_commissioned=record.commissioned,
        thin=record.thin,
        faults=record.faults,
        reference_accuracy=record.accuracy_reference,
    )


def _effects(record: EpisodeRecord) -> dict[str, float]:
    """Of the signals, and of classes or labels where only they differ."""
    worst = max(record.points, key=lambda point: point.effect, default=None)
    if worst is None or not worst.signal:
        return dict(record.effects)
    return {worst.signal: worst.effect, **record.effects}
