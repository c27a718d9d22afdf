"""Deaths of the active model in a row, counted on disk: under it the worker dies again and again, or the whole agent.

A death of the worker counts when it blames the model; a start of the supervisor counts until the worker has run
steadily or the supervisor was stopped on purpose, or until the kernel was started anew: whoever pulls the plug says
nothing about a model. (Of one on trial each start counts, see ``UpdateMachine.resume``.) Either reaching
``worker.deaths`` is a crash loop: the last good model takes over, and the bundle is remembered as bad. Without one the
model stays, and is started with backoff.
"""

from __future__ import annotations

from dataclasses import replace

from agent.core.records import Crashes, UpdateRecord
from edge_models.manifest import BundleId

CODE = "crash_loop"


def crashes_of(record: UpdateRecord, bundle: BundleId) -> Crashes:
    """What is counted for this model; nothing of another one's."""
    known = record.crashes
    return known if known is not None and known.bundle == bundle else Crashes(bundle=bundle)


def with_death(record: UpdateRecord, bundle: BundleId) -> UpdateRecord:
    """Its worker died."""
    known = crashes_of(record, bundle)
    return replace(record, crashes=replace(known, deaths=known.deaths + 1))


def with_start(record: UpdateRecord, bundle: BundleId, kernel: str | None) -> UpdateRecord:
    """The supervisor started with it, in this boot of the kernel; None where that is not known."""
    known = crashes_of(record, bundle)
    starts = known.starts + 1 if known.kernel == kernel else max(known.starts, 1)  # else the last one ended with all
    return replace(record, crashes=replace(known, starts=starts, kernel=kernel))


def with_stop(record: UpdateRecord) -> UpdateRecord:
    """The supervisor was stopped on purpose, so this start does not count."""
    known = record.crashes
    if known is None:
        return record
    left = replace(known, starts=max(known.starts - 1, 0))
    return replace(record, crashes=left if left.starts or left.deaths else None)


def when_steady(record: UpdateRecord) -> UpdateRecord:
    """The model has run for long enough: what came before was no crash loop."""
    return record if record.crashes is None else replace(record, crashes=None)


def is_crash_loop(record: UpdateRecord, bundle: BundleId, limit: int) -> bool:
    """Whether the model has died too often in a row."""
    known = crashes_of(record, bundle)
    return known.deaths >= limit or known.starts > limit  # the present start is among them, and has not died


def described(record: UpdateRecord, bundle: BundleId) -> str:
    """The counts, for people."""
    known = crashes_of(record, bundle)
    return f"its worker died {known.deaths} times in a row, and the agent {known.starts} times before it ran steadily"
